// The npm packages of the peers, which are installed beside the project's and only when they are wanted.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../targets/servers.ts";
import { type NodeProcess, nodeVersion, startNodeProcess } from "./node-process.ts";

const folder = join(root, "bench", "peers");
const manifest = (place: string, name: string) => join(place, "node_modules", name, "package.json");

/** One sentence if one of them is missing. */
export function missingPackage(names: readonly string[]): string | undefined {
  const missing = names.find((name) => !existsSync(manifest(folder, name)));
  if (missing === undefined) return undefined;
  return `The package ${missing} of bench/peers is not installed: npm ci --prefix bench/peers.`;
}

/** Of Node.js and of packages, the peers' own or else the project's. */
export function versionsOf(names: readonly string[]): Record<string, string> {
  const versions = names.map((name) => {
    const place = [folder, root].find((one) => existsSync(manifest(one, name))) ?? folder;
    return [name, (JSON.parse(readFileSync(manifest(place, name), "utf8")) as { version: string }).version];
  });
  return { node: nodeVersion(), ...Object.fromEntries(versions) };
}

/** Starts a peer's server on Node.js; `options` is its argument, as JSON. */
export function startPeer(script: string, options: object, core: number): Promise<NodeProcess> {
  const command = ["node", join(folder, script), JSON.stringify(options)];
  return startNodeProcess(command, { NODE_ENV: "production" }, core);
}

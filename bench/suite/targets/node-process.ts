// Starts one process of a target on the target's core, and says which versions it is made of; knows no target.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, startPinned } from "../../targets/servers.ts";

export interface NodeProcess {
  readonly pid: number;
  readonly port: number;
  /** At once; resolves when it is gone. */
  kill(): Promise<void>;
}

/** The process has to print a line of JSON with `"event":"listening"` and its `port`. */
export async function startNodeProcess(
  command: readonly string[],
  environment: Record<string, string>,
  core: number,
): Promise<NodeProcess> {
  const { child, ended, port } = await startPinned(command, environment, core);
  const kill = () => {
    child.kill("SIGKILL");
    return ended;
  };
  return { pid: child.pid as number, port, kill };
}

export const nodeVersion = (): string =>
  execFileSync("node", ["--version"], { encoding: "utf8" }).trim().slice(1);

export function packageVersion(name: string): string {
  const file = join(root, "node_modules", name, "package.json");
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

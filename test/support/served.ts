// One server process for all tests of a describe block, with the options it is given.

import { afterAll, beforeAll } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { InputOptions } from "../../src/server.ts";
import type { RunningServer } from "../contract/api.ts";
import type { EngineName } from "./engine-host.ts";
import { ServerProcess } from "./server-process.ts";

/** Starts a server with these options in a file, as users do. Whoever starts it ends it. */
export async function startServer(
  engine: EngineName,
  options: InputOptions = {},
  env: Readonly<Record<string, string>> = {},
): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-"));
  const path = join(folder, "fanwire.json");
  writeFileSync(path, JSON.stringify(options));
  try {
    return await ServerProcess.start(engine, { FANWIRE_CONFIG: path, ...env });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The same, with what the suite of the API wants to know. */
export async function startApiServer(engine: EngineName, options: InputOptions): Promise<RunningServer> {
  const server = await startServer(engine, options);
  const listening = JSON.parse(server.said.find((line) => line.includes('"listening"')) ?? "{}");
  return {
    port: server.port,
    adminPort: listening.adminPort,
    drain: () => server.signal("SIGTERM"),
    stop: () => server.kill(),
  };
}

/** A server, where its clients reach it: directly, or at a proxy before it. */
export type Reached = Pick<ServerProcess, "port" | "signal" | "kill">;

/** Starts a server before the block's first test and ends it after the last; what is answered is for use within tests. */
export function served(
  engine: EngineName,
  options: InputOptions = {},
  start: (engine: EngineName, options: InputOptions) => Promise<Reached> = startServer,
): Pick<Reached, "port" | "signal"> {
  let server: Reached | undefined;
  beforeAll(async () => {
    server = await start(engine, options);
  });
  afterAll(() => server?.kill());
  return {
    get port() {
      return server!.port;
    },
    signal: (name) => server!.signal(name),
  };
}

let count = 0;

/** A topic that no other test uses. */
export function fresh(namespace: string): string {
  count += 1;
  return `${namespace}:${count}`;
}

// Starts HAProxy with the configuration that is shipped, in front of nodes on loopback, as one process pinned to one core.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderProxy } from "../../haproxy/render.ts";
import { cores } from "./servers.ts";

export interface ProxyProcess {
  readonly pid: number;
  readonly port: number;
  readonly version: string;
  stop(): Promise<void>;
}

export interface ProxySettings {
  readonly maxConnections: number;
  readonly core?: number;
}

/** Clients come from a few addresses, and at once. */
const unlimited = 1_000_000;
const startMs = 10_000;

/** One core, so one thread: HAProxy starts as many as it has cores. Its log goes where nobody reads it. */
export async function startProxy(
  nodePorts: readonly number[],
  { maxConnections, core = cores.server }: ProxySettings,
): Promise<ProxyProcess> {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-haproxy-"));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const file = join(folder, "haproxy.cfg");
  const config = renderProxy({
    nodes: nodePorts.map((nodePort, index) => ({ id: index + 1, address: `127.0.0.1:${nodePort}` })),
    bind: `127.0.0.1:${port}`,
    metricsBind: `127.0.0.1:${metricsPort}`,
    runtimeSocket: join(folder, "runtime.sock"),
    log: "stdout format raw local0",
    maxConnections,
    connectionsPerAddress: unlimited,
    connectionRate: unlimited,
  });
  writeFileSync(file, config);
  const command = ["-c", String(core), "haproxy", "-db", "-f", file];
  const child = spawn("taskset", command, { stdio: ["ignore", "ignore", "inherit"] });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  await Promise.race([
    listening(port),
    ended.then(() => Promise.reject(new Error("haproxy ended before it listened"))),
  ]);
  return {
    pid: child.pid as number,
    port,
    version: /version (\S+)/.exec(execFileSync("haproxy", ["-v"], { encoding: "utf8" }))?.[1] ?? "unknown",
    async stop() {
      process.off("exit", kill);
      kill();
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

/** It says nothing when it is there. */
async function listening(port: number): Promise<void> {
  const endMs = performance.now() + startMs;
  while (!(await isOpen(port))) {
    if (performance.now() > endMs) throw new Error(`haproxy does not listen on ${port}`);
    await Bun.sleep(20);
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** HAProxy cannot be told to choose one itself. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

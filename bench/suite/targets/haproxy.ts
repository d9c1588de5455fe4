// An HAProxy in front of a target's nodes, on the target's core: the configuration the project ships, or one that a peer brings.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderProxy } from "../../../haproxy/render.ts";
import { freePort } from "../../targets/redis.ts";

export interface HaproxyProcess {
  readonly pid: number;
  readonly port: number;
  readonly version: string;
  stop(): Promise<void>;
}

/** The generator is one client with thousands of connections; what protects a node from that is set high. */
const unlimited = 1_000_000;
const maxConnections = 9000;
const startTimeoutMs = 10_000;

/** What is shipped, with the limits per address out of the way. `bind` and nodes as HAProxy wants them. */
function shipped(bind: string, metricsBind: string, socket: string, nodePorts: readonly number[]): string {
  return renderProxy({
    nodes: nodePorts.map((port, index) => ({ id: index + 1, address: `127.0.0.1:${port}` })),
    bind,
    metricsBind,
    runtimeSocket: socket,
    log: "stdout format raw local0",
    maxConnections,
    connectionsPerAddress: unlimited,
    connectionRate: unlimited,
  });
}

/** `render`: a configuration of the peer's own; it gets the port to bind on 127.0.0.1 and the nodes' ports. */
export async function startHaproxy(
  nodePorts: readonly number[],
  core: number,
  render?: (port: number, nodePorts: readonly number[]) => string,
): Promise<HaproxyProcess> {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-haproxy-"));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const file = join(folder, "haproxy.cfg");
  const socket = join(folder, "runtime.sock");
  const text =
    render?.(port, nodePorts) ?? shipped(`127.0.0.1:${port}`, `127.0.0.1:${metricsPort}`, socket, nodePorts);
  writeFileSync(file, text);
  // Not in master-worker mode: the one process that works is then the child itself.
  const command = ["-c", String(core), "haproxy", "-db", "-f", file];
  const child = spawn("taskset", command, { stdio: ["ignore", "ignore", "inherit"] });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    process.off("exit", kill);
    kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  await Promise.race([accepts(port), ended.then(() => Promise.reject(new Error("haproxy ended")))]);
  const version = /version (\S+)/.exec(execFileSync("haproxy", ["-v"], { encoding: "utf8" }))?.[1];
  return { pid: child.pid as number, port, version: version ?? "unknown", stop };
}

async function accepts(port: number): Promise<void> {
  const deadline = performance.now() + startTimeoutMs;
  const isOpen = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("connect", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
  while (!(await isOpen())) {
    if (performance.now() > deadline) throw new Error(`nothing accepts on port ${port}`);
    await Bun.sleep(20);
  }
}

// Starts HAProxy in front of nodes on loopback, as one process pinned to one core: with the configuration that is shipped, or another.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderProxy } from "../../haproxy/render.ts";
import { freePort } from "../../scripts/free-port.ts";
import { cores } from "./servers.ts";

export interface ProxyProcess {
  readonly pid: number;
  readonly port: number;
  readonly version: string;
  stop(): Promise<void>;
}

/** A configuration of one's own: gets the port to bind on 127.0.0.1, and the nodes' ports. */
export type RenderProxy = (port: number, nodePorts: readonly number[]) => string;

export interface ProxySettings {
  /** Of the shipped configuration; one of one's own says so itself. */
  readonly maxConnections: number;
  readonly core?: number;
  /** Absent: the configuration that is shipped, with the limits per address out of the way. */
  readonly render?: RenderProxy | undefined;
}

/** Clients come from a few addresses, and at once. */
const unlimited = 1_000_000;
const startMs = 10_000;

/**
 * One core, so one thread: HAProxy starts as many as it has cores. Not in master-worker mode: the one process that works is then the
 * child itself. Its log goes where nobody reads it.
 */
export async function startProxy(
  nodePorts: readonly number[],
  { maxConnections, core = cores.server, render }: ProxySettings,
): Promise<ProxyProcess> {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-haproxy-"));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const file = join(folder, "haproxy.cfg");
  const shipped = () =>
    renderProxy({
      nodes: nodePorts.map((nodePort, index) => ({ id: index + 1, address: `127.0.0.1:${nodePort}` })),
      bind: `127.0.0.1:${port}`,
      metricsBind: `127.0.0.1:${metricsPort}`,
      runtimeSocket: join(folder, "runtime.sock"),
      log: "stdout format raw local0",
      maxConnections,
      connectionsPerAddress: unlimited,
      connectionRate: unlimited,
    });
  writeFileSync(file, render?.(port, nodePorts) ?? shipped());
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
      rmSync(folder, { recursive: true, force: true });
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

// Starts the servers under test as processes of their own, pinned to one core, and waits until they listen.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export type EngineName = "bun" | "uws";
export type Arm = "fanwire" | "bare";

/** The core the servers are pinned to, and the one the generator takes. */
export const cores = { server: 0, generator: 1 } as const;

export const root = join(import.meta.dirname, "../..");

export interface ServerProcess {
  readonly arm: Arm;
  readonly engine: EngineName;
  readonly pid: number;
  readonly port: number;
  /** Resolves when the process is gone. */
  stop(): Promise<void>;
}

const bun = process.execPath;

export const commands: Record<Arm, Record<EngineName, readonly string[]>> = {
  fanwire: { bun: [bun, "src/main.ts"], uws: ["node", "dist/main.js"] },
  bare: { bun: [bun, "bench/targets/bare-bun.ts"], uws: ["node", "bench/targets/bare-uws.mjs"] },
};

/** Of the servers under test; they are on loopback and gone in minutes. */
export const apiKey = "the-key-of-a-benchmark";

/** A benchmark's clients are few and busy: what protects a node from that is set high, everything else stays the default. */
export const config = {
  apiKeys: [apiKey],
  limits: {
    frameBurst: 1_000_000,
    framesPerSecond: 1_000_000,
    bytesBurst: 1_073_741_824,
    bytesPerSecond: 1_073_741_824,
  },
};

export interface ServerSettings {
  /** A Redis that it shares with other nodes; absent: it works in memory. */
  readonly redisUrl?: string;
  /** Beside those that every benchmark sets. */
  readonly limits?: Readonly<Record<string, number>>;
}

/** Starts fanwire or the bare engine. */
export async function startServer(
  arm: Arm,
  engine: EngineName,
  { redisUrl, limits }: ServerSettings = {},
): Promise<ServerProcess> {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-"));
  const configFile = join(folder, "config.json");
  writeFileSync(configFile, JSON.stringify({ ...config, limits: { ...config.limits, ...limits } }));
  const { child, ended, port } = await startPinned(commands[arm][engine], {
    FANWIRE_CONFIG: configFile,
    ...(redisUrl !== undefined && { FANWIRE_REDIS_URL: redisUrl }),
  });
  rmSync(folder, { recursive: true });
  const stop = () => {
    child.kill("SIGKILL");
    return ended;
  };
  return { arm, engine, pid: child.pid as number, port, stop };
}

/** What `report` of javascript-host.mjs answers, by native topic. */
export type HostSamples = Record<string, PublicationTimes>;

/** Of each publication: JavaScript before the engine's publish, that publish, JavaScript after it. */
export interface PublicationTimes {
  readonly beforeNs: readonly number[];
  readonly publishNs: readonly number[];
  readonly afterNs: readonly number[];
}

export interface JavascriptHost {
  readonly pid: number;
  readonly port: number;
  report(): Promise<HostSamples>;
  /** Ends it in an orderly way, so that a profile is written. */
  quit(): Promise<void>;
}

/** Starts javascript-host.mjs; with a folder, under the runtime's CPU profiler, whose file goes there. */
export async function startHost(engine: EngineName, profileFolder?: string): Promise<JavascriptHost> {
  const profiler = ["--cpu-prof", "--cpu-prof-interval=200", `--cpu-prof-dir=${profileFolder}`];
  const profiling = profileFolder === undefined ? [] : profiler;
  const runtime = engine === "bun" ? bun : "node";
  const command = [runtime, ...profiling, "bench/targets/javascript-host.mjs"];
  const { child, ended, port, lines } = await startPinned(command, {});
  return {
    pid: child.pid as number,
    port,
    report() {
      const answer = new Promise<HostSamples>((resolve) =>
        lines.once("line", (line) => resolve((JSON.parse(line) as { samples: HostSamples }).samples)),
      );
      child.stdin?.write("report\n");
      return answer;
    },
    quit() {
      child.stdin?.write("quit\n");
      return ended;
    },
  };
}

/** Node.js runs dist/, which is compiled anew before each run: a stale one would be measured without a word. */
export function build(): void {
  execFileSync("node", ["scripts/build.mjs"], { cwd: root, stdio: ["ignore", "ignore", "inherit"] });
}

export interface Spinner {
  readonly pid: number;
  stop(): void;
}

/**
 * Keeps a core, by default the servers', from halting between two publications. A virtual CPU that wakes from a halt has lost its caches to
 * the host's mitigations: the same JavaScript then takes two to three times as long, in both arms, which measures the
 * hypervisor. The loop runs only when nobody else wants the core (SCHED_IDLE), and ends with this process.
 */
export function keepAwake(core: number = cores.server): Spinner {
  const loop = `while kill -0 ${process.pid} 2>/dev/null; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done`;
  const command = ["-i", "0", "taskset", "-c", String(core), "sh", "-c", loop];
  const child = spawn("chrt", command, { stdio: "ignore" });
  const stop = () => void child.kill("SIGKILL");
  process.once("exit", stop);
  return { pid: child.pid as number, stop };
}

/** taskset becomes the command it starts, so the child's process id is the server's own. */
export async function startPinned(
  command: readonly string[],
  environment: Record<string, string>,
  core: number = cores.server,
) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("FANWIRE_"));
  const child = spawn("taskset", ["-c", String(core), ...command], {
    cwd: root,
    env: { ...Object.fromEntries(inherited), FANWIRE_PORT: "0", ...environment },
    stdio: ["pipe", "pipe", "inherit"],
  });
  // Whatever ends this process, its servers end with it.
  process.once("exit", () => child.kill("SIGKILL"));
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`the server ended with ${code} before it listened`)));
    lines.on("line", (line) => {
      if (line.includes('"listening"')) resolve((JSON.parse(line) as { port: number }).port);
    });
  });
  return { child, ended, port, lines };
}

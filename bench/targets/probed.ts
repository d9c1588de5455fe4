// Starts a server that can be asked for its memory: any of them, with memory-probe.mjs loaded into it.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readRollup } from "../measure/footprint.ts";
import { type Arm, commands, config, type EngineName, type ServerProcess, startPinned } from "./servers.ts";

const probe = "./bench/targets/memory-probe.mjs";

/** The runtime's arguments before the script's name. */
const flags: Record<EngineName, readonly string[]> = {
  bun: ["--preload", probe],
  uws: ["--expose-gc", "--import", probe],
};

const idle: Record<EngineName, string> = {
  bun: "bench/targets/idle-bun.ts",
  uws: "bench/targets/idle-uws.mjs",
};

/** What the process holds, in bytes, after a collection of garbage. */
export interface Memory {
  /** All of it that is in memory, program text included. */
  readonly rss: number;
  /** The part of it that is no file's: heaps, stacks, and what libraries allocate. */
  readonly anonymous: number;
  /** The JavaScript heap, as the runtime counts it. */
  readonly heap: number;
  /** Beside it, what JavaScript objects keep alive. */
  readonly external: number;
}

export type Census = Readonly<Record<string, { readonly count: number; readonly bytes: number }>>;

export interface ProbedServer extends ServerProcess {
  memory(): Promise<Memory>;
  /** Stops the process for seconds where much is alive. */
  census(): Promise<Census>;
}

export interface ProbedSettings {
  /** Content of FANWIRE_CONFIG, added to what every benchmark sets. */
  readonly namespaces?: object;
  readonly limits?: Readonly<Record<string, number>>;
  readonly environment?: Record<string, string>;
}

/** Starts fanwire, or for `bare` the control of its engine. */
export async function startProbed(
  arm: Arm,
  engine: EngineName,
  settings: ProbedSettings = {},
): Promise<ProbedServer> {
  const [runtime, script] = commands[arm][engine] as [string, string];
  const folder = mkdtempSync(join(tmpdir(), "fanwire-bench-"));
  const configFile = join(folder, "config.json");
  writeFileSync(configFile, JSON.stringify(contentOf(settings)));
  const command = [runtime, ...flags[engine], arm === "bare" ? idle[engine] : script];
  const environment = { FANWIRE_CONFIG: configFile, ...settings.environment };
  const { child, ended, port, lines } = await startPinned(command, environment);
  rmSync(folder, { recursive: true });
  const pid = child.pid as number;

  const ask = <T>(question: "collect" | "census") =>
    new Promise<T>((resolve, reject) => {
      const listen = (line: string) => {
        if (!line.startsWith('{"event":"probe"')) return;
        lines.off("line", listen);
        resolve((JSON.parse(line) as { answer: T }).answer);
      };
      lines.on("line", listen);
      void ended.then(() => reject(new Error("the server ended")));
      child.stdin?.write(`${question}\n`);
    });

  return {
    arm,
    engine,
    pid,
    port,
    stop() {
      child.kill("SIGKILL");
      return ended;
    },
    async memory() {
      const { heapBytes, externalBytes } = await ask<{ heapBytes: number; externalBytes: number }>("collect");
      const { rss, anonymous } = readRollup(pid);
      return { rss, anonymous, heap: heapBytes, external: externalBytes };
    },
    census: () => ask<Census>("census"),
  };
}

function contentOf({ namespaces = {}, limits = {} }: ProbedSettings): object {
  return { ...config, namespaces, limits: { ...config.limits, ...limits } };
}

// Starts a process that answers questions, one line of JSON for one: an application with a node inside, or the bare control.

import { cores, type EngineName, startPinned } from "./servers.ts";

export interface AskedProcess {
  readonly pid: number;
  readonly port: number;
  /** One question at a time. Rejects when the process ends before it answers. */
  ask<Answer>(question: object): Promise<Answer>;
  /** Ends it in order, so that a profile is written. */
  quit(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface AskedSettings {
  readonly core?: number;
  /** Where the runtime's CPU profiler writes its file. */
  readonly profileFolder?: string;
}

const runtimes: Record<EngineName, string> = { bun: process.execPath, uws: "node" };

async function start(
  engine: EngineName,
  script: string,
  argument: string,
  { core = cores.server, profileFolder }: AskedSettings,
): Promise<AskedProcess> {
  const profiler = ["--cpu-prof", "--cpu-prof-interval=200", `--cpu-prof-dir=${profileFolder}`];
  const flags = profileFolder === undefined ? [] : profiler;
  const command = [runtimes[engine], ...flags, script, argument];
  const { child, ended, port, lines } = await startPinned(command, {}, core);
  const quit = () => {
    child.stdin?.write("quit\n");
    return ended;
  };
  return {
    pid: child.pid as number,
    port,
    quit,
    [Symbol.asyncDispose]: quit,
    ask<Answer>(question: object) {
      return new Promise<Answer>((resolve, reject) => {
        void ended.then(() => reject(new Error(`${script} ended`)));
        lines.once("line", (line) => resolve((JSON.parse(line) as { answer: Answer }).answer));
        child.stdin?.write(`${JSON.stringify(question)}\n`);
      });
    },
  };
}

/** bare-redis.mjs: ioredis and nothing of ours. */
export const startBareRedis = (engine: EngineName, url: string, settings: AskedSettings = {}) =>
  start(engine, "bench/targets/bare-redis.mjs", url, settings);

/** library-host.mjs: a node inside an application. `options`: createServer's. */
export const startLibraryHost = (engine: EngineName, options: object, settings: AskedSettings = {}) =>
  start(engine, "bench/targets/library-host.mjs", JSON.stringify(options), settings);

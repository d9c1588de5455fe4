// Starts a process of the load generator on its core that is given its settings, tells lines of JSON and hears lines. Knows none of them.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { cores } from "../targets/servers.ts";

export interface LineProcess {
  readonly pid: number;
  /** Resolves when it is gone. */
  readonly ended: Promise<void>;
  /** The next line that it tells. Rejects when it ends before. */
  told<Told>(): Promise<Told>;
  say(line: string): void;
}

/** `what` it is, in an error's words. `prefix`: what it is started through. */
export function startLineProcess(
  script: string,
  settings: object,
  what: string,
  prefix: readonly string[] = [],
): LineProcess {
  const pinned = ["taskset", "-c", String(cores.generator), process.execPath, script];
  const [program, ...rest] = [...prefix, ...pinned];
  const child = spawn(program as string, [...rest, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const lines = createInterface({ input: child.stdout });
  return {
    pid: child.pid as number,
    ended: new Promise((resolve) => child.once("exit", () => resolve())),
    told: <Told>() =>
      new Promise<Told>((resolve, reject) => {
        const fail = (code: number | null) => reject(new Error(`${what} ended with ${code}`));
        child.once("exit", fail);
        lines.once("line", (line) => {
          child.off("exit", fail);
          resolve(JSON.parse(line) as Told);
        });
      }),
    say: (line) => void child.stdin.write(`${line}\n`),
  };
}

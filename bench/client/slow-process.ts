// Starts a process of slow readers (slow-group.ts) on the generator's core, where it runs only while the generator does not.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cores } from "../targets/servers.ts";
import type { ReaderRecord, SlowGroupSettings } from "./slow-group.ts";

export interface SlowProcess {
  readonly pid: number;
  start(): void;
  /** Every reader reads on; resolves when each has all of the `total` publications, or has had its time. */
  finish(total: number): Promise<readonly ReaderRecord[]>;
}

interface Line {
  readonly records?: readonly ReaderRecord[];
}

/**
 * Of the lowest priority (SCHED_IDLE): a slow reader that catches up reads megabytes at once, and on the fast readers' own
 * priority that would delay their reading. The server would be blamed for what the generator does to itself.
 */
export async function startSlowReaders(settings: SlowGroupSettings): Promise<SlowProcess> {
  const script = join(import.meta.dirname, "slow-group.ts");
  const pinned = ["taskset", "-c", String(cores.generator), process.execPath, script];
  const child = spawn("chrt", ["-i", "0", ...pinned, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const lines = createInterface({ input: child.stdout });
  const told = () =>
    new Promise<Line>((resolve, reject) => {
      const fail = (code: number | null) => reject(new Error(`the slow readers ended with ${code}`));
      child.once("exit", fail);
      lines.once("line", (line) => {
        child.off("exit", fail);
        resolve(JSON.parse(line) as Line);
      });
    });
  await told();
  return {
    pid: child.pid as number,
    start: () => void child.stdin.write("start\n"),
    async finish(total) {
      const answer = told();
      child.stdin.write(`finish ${total}\n`);
      return (await answer).records ?? [];
    },
  };
}

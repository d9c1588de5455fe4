// Starts a process of slow readers (slow-group.ts) on the generator's core, where it runs only while the generator does not.

import { join } from "node:path";
import { startLineProcess } from "./line-process.ts";
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
  const readers = startLineProcess(script, settings, "the slow readers", ["chrt", "-i", "0"]);
  await readers.told<Line>();
  return {
    pid: readers.pid,
    start: () => readers.say("start"),
    async finish(total) {
      const answer = readers.told<Line>();
      readers.say(`finish ${total}`);
      return (await answer).records ?? [];
    },
  };
}

// Runs work at intended times, open loop: nothing it waits for depends on an answer.

import { createHistogram, type Histogram } from "../measure/histogram.ts";
import { Connection } from "./connection.ts";

export interface Paced {
  readonly sent: number;
  /** How long after its intended time each was done. */
  readonly lateness: Histogram;
  /** CPU time burned by turning the event loop with nothing to do: not load, and subtracted from it. */
  readonly idleSpinNs: number;
  /** When the schedule's zero was. */
  readonly startedAt: number;
}

/** Timers are good to a millisecond or so; nearer than this the loop is turned until the moment has come. */
const spinBeforeNs = 2_500_000;

export interface PaceSettings {
  /** What is overdue leaves at this distance instead of all at once; it counts as late. Default 0. */
  readonly leastGapNs?: number;
  /** Never sleeps: whoever writes to a process that sleeps pays for waking it. Default false. */
  readonly isSleepless?: boolean;
}

/** Calls `work(i, intendedAt)` for each intended time, relative to now. Those overdue are done at once, none is left out. */
export function pace(
  schedule: Float64Array,
  work: (index: number, intendedAt: number) => void,
  { leastGapNs = 0, isSleepless = false }: PaceSettings = {},
): Promise<Paced> {
  const lateness = createHistogram();
  const startedAt = Bun.nanoseconds() + 5e6;
  let sent = 0;
  let idleSpinNs = 0;
  let lastTurnAt = 0;
  let lastChunks = -1;
  let lastDoneAt = Number.NEGATIVE_INFINITY;
  return new Promise((resolve, reject) => {
    const turn = () => {
      const now = Bun.nanoseconds();
      const chunks = Connection.totals.chunks;
      if (lastTurnAt !== 0 && chunks === lastChunks) idleSpinNs += now - lastTurnAt;
      while (sent < schedule.length && startedAt + (schedule[sent] as number) <= now) {
        const intendedAt = startedAt + (schedule[sent] as number);
        if (Bun.nanoseconds() - lastDoneAt < leastGapNs) break;
        lastDoneAt = Bun.nanoseconds();
        lateness.recordValue(Bun.nanoseconds() - intendedAt);
        try {
          work(sent++, intendedAt);
        } catch (error) {
          reject(error);
          return;
        }
      }
      if (sent === schedule.length) return resolve({ sent, lateness, idleSpinNs, startedAt });
      lastChunks = chunks;
      const waitNs = startedAt + (schedule[sent] as number) - Bun.nanoseconds();
      if (waitNs > spinBeforeNs && !isSleepless) {
        lastTurnAt = 0;
        setTimeout(turn, Math.floor((waitNs - spinBeforeNs) / 1e6));
      } else {
        lastTurnAt = Bun.nanoseconds();
        setImmediate(turn);
      }
    };
    turn();
  });
}

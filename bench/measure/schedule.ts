// When publications are meant to leave: drawn before the run from a seed, so that a slow server cannot slow its own load.

import { seededRandom } from "./stats.ts";

export interface ScheduleSettings {
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly seed: number;
}

/**
 * Intended times in nanoseconds from the start, ascending: one publication per period, at a random place in the first half
 * of its period. Two neighbours are therefore at least half a period apart, which keeps publications from being coalesced
 * into one write while their spacing still locks onto no timer's beat.
 */
export function jitteredSchedule(settings: ScheduleSettings): Float64Array {
  const random = seededRandom(settings.seed);
  const periodNs = 1e9 / settings.ratePerSecond;
  const count = Math.floor((settings.durationMs * 1e6) / periodNs);
  return Float64Array.from({ length: count }, (_, i) => Math.round((i + random() / 2) * periodNs));
}

/** Intended times, and which of several servers each publication goes to. */
export interface AlternatingSchedule {
  readonly times: Float64Array;
  readonly sides: Uint8Array;
}

/**
 * Two servers in turn, or `count` of them, slice by slice, each slice of the given schedule to all of them: first to one, then to the
 * other, then the other way round. So they share their schedule, and what changes over more than a few slices meets all alike.
 */
export function alternating(
  times: Float64Array,
  sliceMs: number,
  first: number,
  count = 2,
): AlternatingSchedule {
  const sliceNs = sliceMs * 1e6;
  const planned: { at: number; side: number }[] = [];
  for (const time of times) {
    const slice = Math.floor(time / sliceNs);
    for (let turn = 0; turn < count; turn++) {
      const side = (turn + slice + first) % count;
      planned.push({ at: time + (slice * (count - 1) + turn) * sliceNs, side });
    }
  }
  planned.sort((left, right) => left.at - right.at);
  return {
    times: Float64Array.from(planned, ({ at }) => at),
    sides: Uint8Array.from(planned, ({ side }) => side),
  };
}

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

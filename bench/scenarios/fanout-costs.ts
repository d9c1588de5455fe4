// What `fanout` makes of its windows: CPU per publication without the upkeep, and a line through it per round and arm.

import { fitLine, type Line, type Point } from "../measure/stats.ts";
import type { Arm } from "../targets/servers.ts";
import { type FanoutComparison, groups } from "./fanout.ts";

/**
 * µs of server CPU per publication in one round, by number of subscribers. What the server spends in the same time without
 * any publication (timers, heartbeats) is no cost of one: it is taken off, and printed on a line of its own.
 */
export function costsOf(comparison: FanoutComparison, arm: Arm, round: number): Point[] {
  const upkeepShare = comparison.upkeepMsPerSecond[arm] / 1000;
  return groups.flatMap(({ subscribers }) => {
    const mine = comparison.windows.filter(
      (window) => window.arm === arm && window.round === round && window.subscribers === subscribers,
    );
    const publications = mine.reduce((sum, window) => sum + window.publications, 0);
    const ns = mine.reduce((sum, window) => sum + window.serverNs - upkeepShare * window.wallNs, 0);
    return publications === 0 ? [] : [{ x: subscribers, y: ns / publications / 1000 }];
  });
}

export interface RoundFit {
  readonly fanwire: Line;
  readonly bare: Line;
}

/** The fit of each round: the independent values that the intervals rest on. Both arms have the bare one's weights (see fitLine). */
export function fits(comparison: FanoutComparison): RoundFit[] {
  const rounds = [...new Set(comparison.windows.map((window) => window.round))];
  return rounds.map((round) => {
    const bare = costsOf(comparison, "bare", round);
    return { fanwire: fitLine(costsOf(comparison, "fanwire", round), bare), bare: fitLine(bare) };
  });
}

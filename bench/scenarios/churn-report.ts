// What `churn` says: bytes kept per connection that is gone, or per hostile input, and every answer that was not as documented.

import { type Claim, describeClaim, describeFlags, number, type Part, table } from "../measure/report.ts";
import { type Interval, judge, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags, type Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { Memory } from "../targets/probed.ts";
import type { ChurnRun } from "./churn.ts";

/** A fortieth of what a connection takes while it is there: somebody who kept one object of each would be far above it. */
const boundBytes = 50;
const rowsShown = 10;

/**
 * Bytes kept per event. Each round of the later half is compared with the one as far before it: a slope for each, and none of
 * them shares a reading with another.
 */
export function keptPerEvent(
  readings: readonly number[],
  eventsPerRound: number,
  random: () => number,
): Interval {
  const warm = readings.slice(Math.floor(readings.length / 4));
  const half = Math.floor(warm.length / 2);
  const slopes = Array.from(
    { length: half },
    (_, at) => ((warm[at + half] as number) - (warm[at] as number)) / (half * eventsPerRound),
  );
  return medianInterval(slopes, random);
}

export function reportChurn(run: ChurnRun, settings: RunSettings): Part {
  const { engine, ordeal, plan, rounds } = run;
  const events = plan.perRound[ordeal];
  const title = `churn · ${engine} · ${ordeal}`;
  const flags: Flag[] = comparisonFlags({ rounds: Math.floor((plan.rounds * 3) / 8), quick: settings.quick });
  const kept = (measure: keyof Memory) =>
    keptPerEvent(
      rounds.map(({ memory }) => memory[measure]),
      events,
      seededRandom(settings.seed),
    );
  const unit = ordeal === "connections" ? "connection that is gone" : "hostile input";
  const claims: Claim[] = (["rss", "heap"] as const).map((measure) => ({
    what: `${title}: bytes of ${measure} kept per ${unit}`,
    figure: kept(measure),
    digits: 1,
    bound: boundBytes,
    verdict: flags.length > 0 ? "refused" : judge(kept(measure), boundBytes),
  }));
  claims.push(faultClaim(title, run, settings));
  const faults = rounds.flatMap((round) => round.faults);
  const text = [
    title,
    `${plan.rounds} rounds of ${events}, ${plan.rounds * events} altogether`,
    memoryTable(run),
    "",
    ...claims.map(describeClaim),
    ...describeFlags(flags),
    ...faults.slice(0, rowsShown).map((fault) => `fault: ${fault}`),
  ].join("\n");
  return { claims, text, record: { ...run, claims, flags } };
}

/** Not a statistic: one answer that is not documented is one too many, whatever else disturbed the run. */
function faultClaim(title: string, { rounds, ordeal }: ChurnRun, settings: RunSettings): Claim {
  const faults = rounds.reduce((sum, round) => sum + round.faults.length, 0);
  return {
    what: `${title}: ${ordeal === "hostile" ? "answers that are not documented" : "connections refused"}`,
    figure: { low: faults, mid: faults, high: faults, count: rounds.length },
    digits: 0,
    bound: 0,
    verdict: faults > 0 ? "missed" : settings.quick ? "refused" : "met",
  };
}

function memoryTable({ rounds, plan, ordeal }: ChurnRun): string {
  const step = Math.max(1, Math.ceil(rounds.length / rowsShown));
  const shown = rounds.map((round, at) => ({ ...round, at })).filter(({ at }) => (at + 1) % step === 0);
  const rows = shown.map(({ memory, at }) => [
    String((at + 1) * plan.perRound[ordeal]),
    ...(["rss", "anonymous", "heap", "external"] as const).map((measure) => number(memory[measure] / 1e6, 1)),
  ]);
  return table(["after", "rss, MB", "anonymous", "heap", "external"], rows);
}

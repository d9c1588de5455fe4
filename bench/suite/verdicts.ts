// The suite's claims about fanwire against peers and floor, each a ratio of one run's rounds with an interval; from the result alone.

import type { Claim } from "../measure/report.ts";
import { type Interval, judge, medianInterval, seededRandom } from "../measure/stats.ts";
import { minimumRounds } from "../measure/validity.ts";
import { isInvalid } from "./flags.ts";
import type { Run, SuiteResult } from "./result.ts";

/** What all of a target's processes spend on a delivery, nanoseconds. */
export const cpuPerDelivery = ({ cpuNs, deliveries }: Run): number =>
  (cpuNs.node + cpuNs.redis + cpuNs.haproxy) / deliveries;

interface Comparison {
  readonly what: string;
  readonly other: string;
  readonly bound: number;
  /** Which runs it is about; the same of both targets. */
  readonly picks: (run: Run) => boolean;
  /** Smaller is better. */
  readonly figure: (runs: readonly Run[]) => number;
}

const cpuAt = (burst: number) => (run: Run) => run.scenario === "cpu" && run.publicationsPerBurst === burst;
const first = (figure: (run: Run) => number) => (runs: readonly Run[]) => figure(runs[0] as Run);

/** Of a search's points within the bound that nothing forbids, the one with the highest load. */
export function bestPoint(runs: readonly Run[], bound: "ms5" | "ms10" | "ms50"): Run | undefined {
  return runs
    .filter(({ capacity, flags }) => capacity?.within[bound] === true && !isInvalid(flags))
    .toSorted((a, b) => b.achieved.deliveriesPerSecond - a.achieved.deliveriesPerSecond)[0];
}

/** CPU time per delivery at the highest load with a p99 within 50 ms. */
function capacityCost(runs: readonly Run[]): number {
  const best = bestPoint(runs, "ms50");
  return best?.capacity === undefined ? Number.NaN : 1 / best.capacity.deliveriesPerCoreSecond;
}

const cpu = (other: string, burst: number, bound: number): Comparison => ({
  ...{ other, bound, what: `CPU per delivery, ${burst} published at once` },
  ...{ picks: cpuAt(burst), figure: first(cpuPerDelivery) },
});

const capacity = (other: string, bound: number): Comparison => ({
  ...{ other, bound, what: "CPU per delivery at capacity, p99 ≤ 50 ms" },
  ...{ picks: (run) => run.scenario === "capacity", figure: capacityCost },
});

const comparisons: readonly Comparison[] = [
  ...["guide", "socket.io"].flatMap((other) => [
    ...[cpu(other, 1, 0.7), cpu(other, 32, 0.25)],
    capacity(other, 0.25),
  ]),
  ...[cpu("centrifugo", 1, 1), cpu("centrifugo", 32, 1), capacity("centrifugo", 1)],
  ...[cpu("raw-floor", 1, 1 / 0.85), cpu("raw-floor", 32, 1 / 0.85)],
];

/** Round by round: the ratio of the two targets' figures, in rounds in which both have a run that nothing forbids. */
function ratios(result: SuiteResult, target: string, { other, picks, figure }: Comparison) {
  const byRound = (name: string) =>
    Map.groupBy(
      result.runs.filter((run) => run.target.name === name && picks(run)),
      ({ round }) => round,
    );
  const [ours, theirs] = [byRound(target), byRound(other)];
  const values: number[] = [];
  let refused = 0;
  for (const [round, runs] of ours) {
    const others = theirs.get(round);
    if (others === undefined) continue;
    const ratio = figure(runs) / figure(others);
    // A search has points that are meant to break; its best one is chosen among those that did not.
    const isSearch = runs.some(({ scenario }) => scenario === "capacity");
    const isForbidden = !isSearch && [...runs, ...others].some(({ flags }) => isInvalid(flags));
    if (isForbidden || !Number.isFinite(ratio)) refused++;
    else values.push(ratio);
  }
  return { values, refused };
}

export function verdictsOf(result: SuiteResult): Claim[] {
  const random = seededRandom(result.seed);
  return ["fanwire-bun", "fanwire-uws"].flatMap((target) =>
    comparisons.flatMap((comparison): Claim[] => {
      const { values, refused } = ratios(result, target, comparison);
      if (values.length + refused === 0) return [];
      const none: Interval = { low: Number.NaN, mid: Number.NaN, high: Number.NaN, count: 0 };
      const figure = values.length === 0 ? none : medianInterval(values, random);
      const isRefused = refused > 0 || values.length < minimumRounds;
      const what = `${target} / ${comparison.other}, ${comparison.what}`;
      const verdict = isRefused ? "refused" : judge(figure, comparison.bound);
      return [{ what, figure, digits: 3, bound: comparison.bound, verdict }];
    }),
  );
}

// Two results of the suite compared: per scenario, condition, target and metric faster, slower or no difference. Pure.

import { type Interval, median, quantile, seededRandom } from "../measure/stats.ts";
import type { Run, SuiteResult } from "../suite/result.ts";
import { arms, conditionsOf } from "./arms.ts";
import { machineDifferences } from "./load.ts";
import { type Metric, metrics, roundValues } from "./metrics.ts";

export interface Compared {
  readonly scenario: string;
  readonly condition: string;
  readonly arm: string;
  readonly metric: Metric;
  /** Medians over rounds. */
  readonly before: number;
  readonly after: number;
  /** after / before. */
  readonly ratio: Interval;
  /** `failed in a round`: what was waited for never came, or nothing was carried; no ratio says how much that is. */
  readonly outcome: "better" | "worse" | "no difference" | "too few rounds" | "failed in a round";
}

export interface Comparison {
  /** Why the two results may not be compared at all; then there are no rows. */
  readonly refusals: readonly string[];
  /** What was left out, and what else differs: sentences. */
  readonly remarks: readonly string[];
  readonly rows: readonly Compared[];
}

/** Below this a bootstrap over rounds says nothing: the interval would be the two values themselves. */
const fewestRounds = 3;

export function compare(before: SuiteResult, after: SuiteResult): Comparison {
  const refusals = refusalsOf(before, after);
  if (refusals.length > 0) return { refusals, remarks: [], rows: [] };
  const remarks = versionRemarks(before, after);
  // Copies, so that one run given twice is told apart from itself.
  const added = after.runs.map((run) => ({ ...run }));
  const isBefore = new Set<Run>(before.runs);
  const random = seededRandom(before.seed);
  const rows: Compared[] = [];
  for (const [scenario, runs] of Map.groupBy([...before.runs, ...added], (run) => run.scenario)) {
    for (const { name: condition, runs: same } of conditionsOf(runs)) {
      for (const [arm, own] of arms(same)) {
        const [old, fresh] = [
          own.filter((run) => isBefore.has(run)),
          own.filter((run) => !isBefore.has(run)),
        ];
        const remark = armRemark(old, fresh);
        if (remark !== undefined) {
          remarks.push(`${scenario}, ${condition}, ${arm}: ${remark}`);
          continue;
        }
        for (const metric of Object.values(metrics) as Metric[]) {
          if (!metric.scenarios.includes(scenario)) continue;
          const row = compareMetric(metric, old, fresh, random);
          if (row !== undefined) rows.push({ scenario, condition, arm, metric, ...row });
        }
      }
    }
  }
  return { refusals, remarks, rows };
}

function refusalsOf(before: SuiteResult, after: SuiteResult): string[] {
  const refusals = machineDifferences(before.machine, after.machine).map((text) => `Other machine: ${text}.`);
  if (before.seed !== after.seed) {
    refusals.push(`Other seed: ${before.seed} and ${after.seed}, so other schedules were measured.`);
  }
  if (before.plan !== after.plan) {
    refusals.push(`Other plan: ${before.plan} and ${after.plan}, so windows and rounds differ.`);
  } else if (before.plan === "smoke") {
    refusals.push("Both are smoke runs, which show that the suite works and measure nothing.");
  }
  return refusals;
}

/** Versions and commit may be what is compared, so they are said and refuse nothing. */
function versionRemarks({ machine: left }: SuiteResult, { machine: right }: SuiteResult): string[] {
  return ["commit", "versions", "uncommitted"].flatMap((name) => {
    const [one, other] = [JSON.stringify(left[name]), JSON.stringify(right[name])];
    return one === other ? [] : [`${name}: ${one} before, ${other} after`];
  });
}

/** Why one arm cannot be compared under one condition. */
function armRemark(old: readonly Run[], fresh: readonly Run[]): string | undefined {
  const [first, other] = [old[0], fresh[0]];
  if (first === undefined) return "only in the second result";
  if (other === undefined) return "only in the first result";
  const settings = [...old, ...fresh].map(({ target }) => JSON.stringify(target.settings));
  const different = settings.find((one) => one !== settings[0]);
  return different && `not compared, other settings: ${settings[0]} and ${different}`;
}

function compareMetric(
  metric: Metric,
  old: readonly Run[],
  fresh: readonly Run[],
  random: () => number,
): Pick<Compared, "before" | "after" | "ratio" | "outcome"> | undefined {
  const [left, right] = [old, fresh].map((runs) => [...roundValues(runs, metric).values()]) as [
    number[],
    number[],
  ];
  if (left.length === 0 || right.length === 0) return undefined;
  const ratio = ratioInterval(left, right, random);
  const isWhole = [...left, ...right].every((value) => Number.isFinite(value) && value > 0);
  const outcome = isWhole ? outcomeOf(metric, ratio) : "failed in a round";
  return { before: median(left), after: median(right), ratio, outcome };
}

function outcomeOf({ better }: Metric, { low, high, count }: Interval): Compared["outcome"] {
  if (count < fewestRounds) return "too few rounds";
  if (low <= 1 && high >= 1) return "no difference";
  return high < 1 === (better === "lower") ? "better" : "worse";
}

/**
 * The ratio of the medians with a 95 % percentile-bootstrap interval. Two sittings have no common weather, so each side's
 * rounds are drawn by themselves; within one result, where rounds are paired, `pairedRatio` is the narrower one.
 */
export function ratioInterval(
  before: readonly number[],
  after: readonly number[],
  random: () => number,
  resamples = 2000,
): Interval {
  const draw = (values: readonly number[]) =>
    median(values.map(() => values[Math.floor(random() * values.length)] as number));
  const ratios = Array.from({ length: resamples }, () => draw(after) / draw(before));
  return {
    low: quantile(ratios, 0.025),
    mid: median(after) / median(before),
    high: quantile(ratios, 0.975),
    count: Math.min(before.length, after.length),
  };
}

// The headline: one row per question and condition, one column per target, and the goals with their verdicts. Page, README and terminal share it.

import { worthOf } from "../measure/histogram.ts";
import type { Claim } from "../measure/report.ts";
import { type Interval, judge } from "../measure/stats.ts";
import { minimumRounds } from "../measure/validity.ts";
import type { Run, Scenario, SuiteResult } from "../suite/result.ts";
import { deploymentName, oneNode } from "../suite/target.ts";
import { byArm, conditionsOf, isSoundFor } from "./arms.ts";
import { figureText, intervalText } from "./figure.ts";
import { figureOf, type Metric, metrics, pairedRatio, roundValues } from "./metrics.ts";
import { pool } from "./pooled.ts";

export interface HeadlineRow {
  readonly scenario: Scenario;
  readonly metric: Metric;
  /** Under which condition. */
  readonly condition: string;
  readonly publicationsPerBurst: number;
  readonly byTarget: ReadonlyMap<string, readonly Run[]>;
}

const asked: readonly (readonly [Scenario, readonly Metric[]])[] = [
  ["cpu", [metrics.cpu]],
  ["capacity", [metrics.capacity50]],
  ["latency", [metrics.p50, metrics.p99, metrics.p999]],
  ["cross", [metrics.p50, metrics.p99]],
  ["memory", [metrics.memory]],
  ["storm", [metrics.receiving]],
  ["kill", [metrics.receiving]],
  ["disconnects", [metrics.delivered]],
];

export function headlineRows({ runs }: SuiteResult): HeadlineRow[] {
  return asked.flatMap(([scenario, wanted]) =>
    conditionsOf(runs.filter((run) => run.scenario === scenario)).flatMap(({ name, runs: same }) => {
      const deployed = Map.groupBy(same, ({ target }) => deploymentName(target.deployment));
      return [...deployed].flatMap(([where, own]) => {
        const condition = where === deploymentName(oneNode) ? name : `${name}; ${where}`;
        const byTarget = Map.groupBy([...own].sort(byArm), ({ target }) => target.name);
        const publicationsPerBurst = own[0]?.publicationsPerBurst ?? 1;
        return wanted.map((metric) => ({ scenario, metric, condition, publicationsPerBurst, byTarget }));
      });
    }),
  );
}

export const rowName = ({ scenario, metric, condition }: HeadlineRow): string => {
  const when =
    scenario === "storm" || scenario === "kill" ? `${scenario}: ` : scenario === "cross" ? "cross-node " : "";
  return `${when}${metric.name}, ${metric.unit} (${condition})`;
};

export function targetsOf(suite: SuiteResult, kinds: readonly Run["target"]["kind"][]): string[] {
  const sorted = suite.runs.filter(({ target }) => kinds.includes(target.kind)).sort(byArm);
  return [...new Set(sorted.map(({ target }) => target.name))];
}

/** Head and rows: what is asked, then each target's median with its interval, or why there is none. */
export function headlineTable(suite: SuiteResult, targets: readonly string[]) {
  const rows = headlineRows(suite).map((row) => [
    rowName(row),
    ...targets.map((target) => cellOf(row.byTarget.get(target) ?? [], row.metric, suite.seed)),
  ]);
  return { head: ["", ...targets], rows };
}

/** A percentile that no round is long enough for is that of all rounds together, marked as having no interval. */
function cellOf(runs: readonly Run[], metric: Metric, seed: number): string {
  const figure = figureOf(runs, metric, seed);
  const sound = runs.filter((run) => isSoundFor(run, metric.isLatency));
  if (metric.percentile === undefined || sound.length === 0) return figureText(figure, metric.digits);
  if (!("none" in figure)) {
    const publications = sound.reduce((sum, run) => sum + run.publications, 0);
    const isRough = worthOf(metric.percentile.percentile, publications) === "rough";
    return `${isRough ? "~" : ""}${figureText(figure, metric.digits)}`;
  }
  const { which, percentile } = metric.percentile;
  const pooled = pool(sound, which).at(percentile);
  if (pooled === undefined) return figure.none;
  const value = pooled.value.toFixed(metric.digits);
  return `${pooled.isRough ? "~" : ""}${value} [${sound.length} rounds together]`;
}

/** How much better one target is than another: below 1 is better, whichever way the metric goes. */
export interface Lead {
  readonly row: HeadlineRow;
  readonly ours: string;
  readonly theirs: string;
  readonly ratio: Interval;
}

export function leadOf(row: HeadlineRow, ours: string, theirs: string, seed: number): Lead | undefined {
  const [mine, others] = [row.byTarget.get(ours) ?? [], row.byTarget.get(theirs) ?? []];
  const isLower = row.metric.better === "lower";
  const ratio = pairedRatio(isLower ? mine : others, isLower ? others : mine, row.metric, seed);
  return ratio && { row, ours, theirs, ratio };
}

/** One bound that the project has set itself, over rows and opponents. */
interface Aim {
  readonly scenario: Scenario | "every";
  readonly opponents: readonly string[];
  readonly bound: number;
  /** Which of the CPU rows: publications that leave one by one, or as many together as there are. */
  readonly writes?: "one" | "many";
}

const slowPeers = ["guide", "socket.io"];

/** Ratios to opponents, below 1 is better; a share of the floor of 85 % is a ratio to it of 1 / 0.85. */
const aims: readonly Aim[] = [
  { scenario: "cpu", writes: "one", opponents: slowPeers, bound: 0.7 },
  { scenario: "cpu", writes: "many", opponents: slowPeers, bound: 0.25 },
  { scenario: "capacity", opponents: slowPeers, bound: 0.25 },
  { scenario: "every", opponents: ["centrifugo"], bound: 1 },
  { scenario: "cpu", writes: "one", opponents: ["raw-floor"], bound: 1 / 0.85 },
  { scenario: "cpu", writes: "many", opponents: ["raw-floor"], bound: 1 / 0.85 },
];

/** Fewer have no interval. With less than `minimumRounds` of them it is as wide as they are: they agree or it is undecided. */
const leastRounds = 3;

/** Each goal with what this result says of it; none where it was not measured, or the opponent cannot do it. */
export function goals(suite: SuiteResult): Claim[] {
  const rows = headlineRows(suite);
  const bursts = rows.filter(({ scenario }) => scenario === "cpu").map((row) => row.publicationsPerBurst);
  const wanted = { one: Math.min(...bursts), many: Math.max(...bursts) };
  return targetsOf(suite, ["ours"]).flatMap((ours) =>
    aims.flatMap(({ scenario, opponents, bound, writes }) =>
      rows
        .filter((row) => scenario === "every" || row.scenario === scenario)
        .filter((row) => row.byTarget.has(ours))
        .filter((row) => writes === undefined || row.publicationsPerBurst === wanted[writes])
        .flatMap((row) => opponents.flatMap((theirs) => goalOf(suite, row, ours, theirs, bound) ?? [])),
    ),
  );
}

const nothing: Interval = { low: Number.NaN, mid: Number.NaN, high: Number.NaN, count: 0 };

function goalOf(
  { seed, plan }: SuiteResult,
  row: HeadlineRow,
  ours: string,
  theirs: string,
  bound: number,
): Claim | undefined {
  const both = [ours, theirs].map((name) => row.byTarget.get(name) ?? []);
  if (!both.every((runs) => isAsked(runs, row.metric))) return undefined;
  const figure = leadOf(row, ours, theirs, seed)?.ratio ?? nothing;
  const rounds = roundValues(row.byTarget.get(ours) ?? [], row.metric);
  const isWeak = plan === "smoke" || rounds.size < leastRounds;
  const hasFailed = [...rounds.values()].includes(
    row.metric.better === "lower" ? Number.POSITIVE_INFINITY : 0,
  );
  const verdict = isWeak ? "refused" : hasFailed ? "missed" : judged(figure, bound);
  return { what: `${ours} / ${theirs}: ${rowName(row)}`, figure, digits: 3, bound, verdict };
}

const judged = (figure: Interval, bound: number) =>
  figure.count < leastRounds ? "refused" : judge(figure, bound);

/** Whether sound runs have the figure at all: a percentile needs publications beyond it. Where all are invalid it was asked and is refused. */
function isAsked(runs: readonly Run[], metric: Metric): boolean {
  const hasSound = runs.some((run) => isSoundFor(run, metric.isLatency));
  return runs.length > 0 && (!hasSound || roundValues(runs, metric).size > 0);
}

/** A goal's figure, bound and verdict in words. */
export const goalCells = ({ figure, bound, verdict }: Claim): string[] => [
  figure.count === 0 ? "–" : intervalText(figure, 2),
  `≤ ${Number(bound.toFixed(2))}`,
  verdictText(verdict, figure.count),
];

function verdictText(verdict: Claim["verdict"], count: number): string {
  if (verdict === "refused") return "refused: invalid, or too few rounds";
  if (count === 0) return `${verdict}: it failed in a round`;
  return count < minimumRounds && verdict !== "undecided" ? `${verdict}, in all ${count} rounds` : verdict;
}

// What is read off a round: each metric with its unit, which way is better, and how it is got from a run. Knows no target.

import { decode, type Histogram, worthOf } from "../measure/histogram.ts";
import { type Interval, medianInterval, seededRandom } from "../measure/stats.ts";
import type { Run, RunHistograms, Scenario } from "../suite/result.ts";
import { armName, isInvalid, isSoundFor, refusalOf } from "./arms.ts";
import { ResultError } from "./load.ts";

export interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly better: "lower" | "higher";
  /** Digits after the point. */
  readonly digits: number;
  /** Whether the lateness of the publisher forbids it. */
  readonly isLatency: boolean;
  readonly scenarios: readonly Scenario[];
  /** Where it is a percentile: of what, so that rounds too short for it may be taken together. */
  readonly percentile?: { readonly which: keyof RunHistograms; readonly percentile: Percentile };
  /** Of all runs of one arm, condition and round; undefined where they have no such thing. */
  readonly of: (runs: readonly Run[]) => number | undefined;
}

/** Percentiles that anything asks of a single run. One delivery in 2, 4, 10, 20 … 10,000 is slower. */
export const percentiles = [50, 75, 90, 95, 98, 99, 99.5, 99.8, 99.9, 99.95, 99.98, 99.99] as const;
export type Percentile = (typeof percentiles)[number];

export function histogramOf(run: Run, which: keyof RunHistograms): Histogram {
  try {
    return decode(run.histograms[which]);
  } catch (error) {
    const where = `${run.scenario}, ${armName(run)}, round ${run.round}`;
    throw new ResultError(`${where}: ${which} is no histogram: ${(error as Error).message}`);
  }
}

/** Decoding takes a while, and a histogram that is kept takes a hundred kilobytes: so what is asked of it is kept instead. */
const known = new WeakMap<RunHistograms, Map<keyof RunHistograms, readonly number[]>>();

/** Milliseconds at each of the percentiles; none of an empty histogram. */
function percentilesOf(run: Run, which: keyof RunHistograms): readonly number[] {
  const ofRun = known.get(run.histograms) ?? new Map<keyof RunHistograms, readonly number[]>();
  known.set(run.histograms, ofRun);
  const kept = ofRun.get(which);
  if (kept !== undefined) return kept;
  const histogram = histogramOf(run, which);
  const isEmpty = histogram.totalCount === 0;
  const values = isEmpty
    ? []
    : percentiles.map((percentile) => histogram.getValueAtPercentile(percentile) / 1e6);
  ofRun.set(which, values);
  return values;
}

/** CPU of the target's processes, the generator's not among them, µs per delivery. */
export const cpuPerDelivery = ({ cpuNs: { node, redis, haproxy }, deliveries }: Run): number =>
  (node + redis + haproxy) / deliveries / 1000;

/** An upper bound of the publications per write. Results from before it was counted have frames instead. */
export const messagesPerChunk = (run: Run): number => run.messagesPerChunk ?? run.framesPerChunk;

/** Milliseconds; undefined where too few publications lie beyond the percentile. */
export function percentileMs(
  run: Run,
  which: keyof RunHistograms,
  percentile: Percentile,
): number | undefined {
  if (worthOf(percentile, run.publications) === "nothing") return undefined;
  return percentilesOf(run, which)[percentiles.indexOf(percentile)];
}

const timed: readonly Scenario[] = ["latency", "ramp", "cross", "scale"];

function percentileMetric(name: string, which: keyof RunHistograms, percentile: Percentile): Metric {
  return {
    name,
    unit: "ms",
    better: "lower",
    digits: 2,
    isLatency: true,
    scenarios: timed,
    percentile: { which, percentile },
    of: ([run]) => run && percentileMs(run, which, percentile),
  };
}

/** Of a search's points within the bound that nothing forbids, the one with the highest load. */
export function bestPoint(runs: readonly Run[], bound: "ms5" | "ms10" | "ms50"): Run | undefined {
  return runs
    .filter((run) => run.capacity?.within[bound] === true && run.capacity.step !== "after" && !isInvalid(run))
    .sort((left, right) => right.achieved.deliveriesPerSecond - left.achieved.deliveriesPerSecond)[0];
}

function capacityMetric(ms: 5 | 10 | 50): Metric {
  return {
    name: `capacity at p99 ≤ ${ms} ms`,
    unit: "k deliveries/core-s",
    better: "higher",
    digits: 1,
    isLatency: true,
    scenarios: ["capacity"],
    // No load within the bound is a capacity of nothing, and not a round that does not count.
    of: (runs) =>
      runs.length === 0
        ? undefined
        : (bestPoint(runs, `ms${ms}`)?.capacity?.deliveriesPerCoreSecond ?? 0) / 1000,
  };
}

/** What never came is infinitely late, and not a round that does not count. */
const seconds = (ms: number | null | undefined) =>
  ms === null ? Number.POSITIVE_INFINITY : ms === undefined ? undefined : ms / 1000;

export const metrics = {
  cpu: {
    name: "CPU per delivery",
    unit: "µs",
    better: "lower",
    digits: 2,
    isLatency: false,
    scenarios: ["cpu", "latency", "ramp", "cross", "scale"],
    of: ([run]) => (run === undefined || run.deliveries === 0 ? undefined : cpuPerDelivery(run)),
  },
  p50: percentileMetric("latency p50", "fromIntended", 50),
  p99: percentileMetric("latency p99", "fromIntended", 99),
  p999: percentileMetric("latency p99.9", "fromIntended", 99.9),
  last50: percentileMetric("last receiver p50", "lastReceiver", 50),
  last99: percentileMetric("last receiver p99", "lastReceiver", 99),
  capacity5: capacityMetric(5),
  capacity10: capacityMetric(10),
  capacity50: capacityMetric(50),
  memory: {
    name: "memory per connection",
    unit: "kB",
    better: "lower",
    digits: 2,
    isLatency: false,
    scenarios: ["memory"],
    of: ([run]) => run?.memory && run.memory.bytesPerConnection / 1000,
  },
  receiving: {
    name: "95 % receiving after",
    unit: "s",
    better: "lower",
    digits: 2,
    isLatency: false,
    scenarios: ["storm", "kill"],
    of: ([run]) => seconds(run?.timeline?.receivingMs.most),
  },
  everybody: {
    name: "everybody receiving after",
    unit: "s",
    better: "lower",
    digits: 2,
    isLatency: false,
    scenarios: ["storm", "kill"],
    of: ([run]) => seconds(run?.timeline?.receivingMs.all),
  },
  delivered: {
    name: "delivered under disconnects",
    unit: "%",
    better: "higher",
    digits: 2,
    isLatency: false,
    scenarios: ["disconnects"],
    of: ([run]) => run?.disconnects && run.disconnects.deliveredShare * 100,
  },
} as const satisfies Record<string, Metric>;

export type MetricName = keyof typeof metrics;

/** One value per round that may be relied on; infinite where what was waited for never came. */
export type RoundValues = ReadonlyMap<number, number>;

export function roundValues(runs: readonly Run[], metric: Metric): RoundValues {
  const values = new Map<number, number>();
  const sound = runs.filter((run) => isSoundFor(run, metric.isLatency));
  for (const [round, same] of Map.groupBy(sound, (run) => run.round)) {
    const value = metric.of(same);
    if (value !== undefined && !Number.isNaN(value)) values.set(round, value);
  }
  return values;
}

/** A report has a thousand intervals; more resamples change the third digit of their ends. */
const resamples = 1000;

/** A figure of an arm: the median over rounds with its interval, or why there is none. */
export type Figure =
  | { readonly interval: Interval; readonly rounds: number; readonly invalid: number }
  | { readonly none: string };

export function figureOf(runs: readonly Run[], metric: Metric, seed: number): Figure {
  if (runs.length === 0) return { none: "–" };
  const values = roundValues(runs, metric);
  const unsound = runs.filter((run) => !isSoundFor(run, metric.isLatency));
  if (values.size === 0) return { none: unsound.length > 0 ? refusalOf(unsound, metric.isLatency) : "–" };
  const never = [...values.values()].filter((value) => value === Number.POSITIVE_INFINITY).length;
  if (never > 0) return { none: `never in ${never} of ${values.size} rounds` };
  const invalid = new Set(runs.map((run) => run.round)).size - values.size;
  const interval = medianInterval([...values.values()], seededRandom(seed), resamples);
  return { interval, rounds: values.size, invalid };
}

/**
 * Ratio of two arms, round by round: both had the same weather. Undefined where they have no sound round in common, and where one
 * never came or carried nothing in some round: leaving such a round out would flatter whoever failed in it.
 */
export function pairedRatio(
  ours: readonly Run[],
  theirs: readonly Run[],
  metric: Metric,
  seed: number,
): Interval | undefined {
  const [mine, others] = [roundValues(ours, metric), roundValues(theirs, metric)];
  const ratios = [...mine].flatMap(([round, value]) => {
    const other = others.get(round);
    return other === undefined ? [] : [value / other];
  });
  if (ratios.length === 0 || !ratios.every(Number.isFinite)) return undefined;
  return medianInterval(ratios, seededRandom(seed), resamples);
}

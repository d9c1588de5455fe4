// Rounds of one arm under one load taken together: histograms added, never averaged, with the spread over rounds beside them.

import { merge, worthOf } from "../measure/histogram.ts";
import type { Run, RunHistograms } from "../suite/result.ts";
import { histogramOf, type Percentile, percentileMs } from "./metrics.ts";

export interface PooledPercentile {
  /** Milliseconds, of all rounds' histograms added. */
  readonly value: number;
  /** Smallest and largest of the rounds' own. */
  readonly low: number;
  readonly high: number;
  /** Fewer than a hundred publications lie beyond it. */
  readonly isRough: boolean;
}

export interface Pool {
  /** Undefined where fewer than ten publications lie beyond it. */
  readonly at: (percentile: Percentile) => PooledPercentile | undefined;
}

export function pool(runs: readonly Run[], which: keyof RunHistograms): Pool {
  const added = merge(runs.map((run) => histogramOf(run, which)));
  const publications = runs.reduce((sum, run) => sum + run.publications, 0);
  return {
    at(percentile) {
      const worth = worthOf(percentile, publications);
      if (worth === "nothing" || added.totalCount === 0) return undefined;
      const value = added.getValueAtPercentile(percentile) / 1e6;
      const own = runs.flatMap((run) => percentileMs(run, which, percentile) ?? []);
      return {
        value,
        low: Math.min(value, ...own),
        high: Math.max(value, ...own),
        isRough: worth === "rough",
      };
    },
  };
}

export function pooledText(pooled: PooledPercentile | undefined, digits = 2): string {
  if (pooled === undefined) return "–";
  const { value, low, high, isRough } = pooled;
  const spread = low < high ? ` [${low.toFixed(digits)}, ${high.toFixed(digits)}]` : "";
  return `${isRough ? "~" : ""}${value.toFixed(digits)}${spread}`;
}

export const meanOf = (runs: readonly Run[], pick: (run: Run) => number): number =>
  runs.reduce((sum, run) => sum + pick(run), 0) / runs.length;

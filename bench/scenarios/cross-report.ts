// What `cross` says: the latencies side by side, and by how much the other node's is above one in memory and a round trip.

import { encode, type Histogram, percentileText } from "../measure/histogram.ts";
import {
  type Claim,
  describeClaim,
  describeFlags,
  interval,
  number,
  type Part,
  table,
} from "../measure/report.ts";
import { type Interval, judge, median, medianInterval, seededRandom } from "../measure/stats.ts";
import { comparisonFlags } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { CrossComparison, CrossRound } from "./cross.ts";

/** The performance contract: one Redis round trip and so much more than in memory. */
const excessBoundUs = 300;

export function reportCross(comparison: CrossComparison, settings: RunSettings): Part {
  const { pair, format, mode, hasKeys, plan, rounds, repeated } = comparison;
  const keys = hasKeys ? " · idempotency keys" : "";
  const title = `cross · ${pair.join(" → ")} · ${format} · ${mode}${keys}`;
  const flags = [
    ...comparisonFlags({ rounds: plan.rounds, quick: settings.quick }),
    ...rounds.flatMap((round) => round.flags),
  ];
  const figure = medianInterval(rounds.map(excessUs), seededRandom(settings.seed));
  const claims: Claim[] =
    mode === "stream"
      ? [
          {
            what: `${title}: p50 on the other node − in memory − one round trip, µs`,
            figure,
            digits: 0,
            bound: excessBoundUs,
            verdict: flags.length > 0 ? "refused" : judge(figure, excessBoundUs),
          },
        ]
      : [];
  const text = [
    title,
    latencyTable(comparison),
    mode === "stream" ? "" : `p50 on the other node − in memory − one round trip: ${interval(figure, 0)} µs`,
    `the same with a PING for the round trip: ${interval(againstPing(rounds, settings), 0)} µs`,
    ...claims.map(describeClaim),
    ...(repeated > 0 ? [`${repeated} rounds were disturbed and measured again`] : []),
    ...describeFlags(flags),
  ].join("\n");
  return { claims, text, record: record(comparison, claims, flags) };
}

const p50Us = (histogram: Histogram): number => histogram.getValueAtPercentile(50) / 1000;

/** Of a round: the other node's p50 less that in memory and that of a bare round trip; µs. */
export function excessUs({ memory, cross, publishNs }: CrossRound): number {
  return p50Us(cross.fromSent) - p50Us(memory.fromSent) - median(publishNs) / 1000;
}

function againstPing(rounds: readonly CrossRound[], settings: RunSettings): Interval {
  const excess = rounds.map(
    ({ memory, cross, pingNs }) => p50Us(cross.fromSent) - p50Us(memory.fromSent) - median(pingNs) / 1000,
  );
  return medianInterval(excess, seededRandom(settings.seed));
}

function latencyTable({ totals, bare }: CrossComparison): string {
  const row = (name: string, histogram: Histogram) => [
    name,
    String(histogram.totalCount),
    ...[50, 90, 99].map((percentile) => percentileText(histogram, percentile, histogram.totalCount)),
    number(histogram.minNonZeroValue / 1000, 0),
  ];
  return table(
    ["µs", "n", "p50", "p90", "p99", "min"],
    [
      row("to the other node", totals.cross.fromSent),
      row("one node in memory", totals.memory.fromSent),
      row("bare PUBLISH to itself", bare.publish),
      row("bare PING", bare.ping),
    ],
  );
}

function record(comparison: CrossComparison, claims: readonly Claim[], flags: readonly object[]): object {
  const { pair, format, mode, hasKeys, redisVersion, rounds, repeated, totals, bare } = comparison;
  return {
    ...{ pair, format, mode, hasKeys, redisVersion, claims, flags, repeated },
    rounds: rounds.map(({ round, memory, cross, publishNs, pingNs, flags: own }) => ({
      round,
      memoryP50Us: p50Us(memory.fromSent),
      crossP50Us: p50Us(cross.fromSent),
      publishP50Us: median(publishNs) / 1000,
      pingP50Us: median(pingNs) / 1000,
      facts: { memory: memory.facts, cross: cross.facts },
      flags: own,
    })),
    histograms: {
      cross: encode(totals.cross.fromSent),
      memory: encode(totals.memory.fromSent),
      crossFromIntended: encode(totals.cross.fromIntended),
      publish: encode(bare.publish),
      ping: encode(bare.ping),
    },
  };
}

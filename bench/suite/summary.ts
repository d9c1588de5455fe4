// A finished result as a terminal shows it: a row per scenario and target, the flags that forbid a headline, the verdicts.

import { decode, merge, percentileText } from "../measure/histogram.ts";
import { type Claim, describeClaim, number, table } from "../measure/report.ts";
import { median } from "../measure/stats.ts";
import { bestPoint, cpuPerDelivery, messagesPerChunk } from "../report/metrics.ts";
import { isInvalid } from "./flags.ts";
import type { Run, SuiteResult } from "./result.ts";
import { deploymentName } from "./target.ts";

const head = [
  ...["scenario, target", "rounds", "deliveries/s", "CPU µs/delivery", "messages/chunk"],
  ...["p50 µs", "p99 µs", "p99.9 µs", "last p50", "last p99", "MiB", "verdict"],
];

const shapeOf = (run: Run): string =>
  `${run.scenario}: ${run.workload.name}, ${run.workload.mode}, ${deploymentName(run.target.deployment)}`;

function row(name: string, runs: readonly Run[]): string[] {
  const valid = runs.filter(({ flags }) => !isInvalid(flags));
  const mid = (figure: (run: Run) => number, digits: number) => number(median(valid.map(figure)), digits);
  const timed = valid.filter(({ flags }) => flags.length === 0);
  const delivery = merge(timed.map(({ histograms }) => decode(histograms.fromIntended)));
  const last = merge(timed.map(({ histograms }) => decode(histograms.lastReceiver)));
  const publications = timed.reduce((sum, run) => sum + run.publications, 0);
  const names = [...new Set(runs.flatMap(({ flags }) => flags.map((flag) => flag.name)))];
  return [
    ...[name, `${valid.length}/${runs.length}`, mid((run) => run.achieved.deliveriesPerSecond, 0)],
    ...[mid((run) => cpuPerDelivery(run), 2), mid(messagesPerChunk, 2)],
    ...[50, 99, 99.9].map((percentile) => percentileText(delivery, percentile, publications)),
    ...[50, 99].map((percentile) => percentileText(last, percentile, publications)),
    mid((run) => (run.rssBytes.node + run.rssBytes.redis + run.rssBytes.haproxy) / 2 ** 20, 0),
    names.length === 0 ? "valid" : `${valid.length === 0 ? "INVALID: " : ""}${names.join(", ")}`,
  ];
}

/** A search has a line for its best point of each round, not for every point. */
function searchRow(name: string, runs: readonly Run[]): string[] {
  const rounds = [...Map.groupBy(runs, ({ round }) => round).values()];
  const best = rounds.flatMap((points) => bestPoint(points, "ms50") ?? []);
  return best.length === 0 ? row(name, runs) : row(`${name}, p99 ≤ 50 ms`, best);
}

export function summaryOf(result: SuiteResult, claims: readonly Claim[]): string {
  const rows: string[][] = [];
  for (const [shape, runs] of Map.groupBy(result.runs, shapeOf)) {
    rows.push([shape]);
    for (const [name, own] of Map.groupBy(runs, ({ target }) => target.name)) {
      rows.push(own[0]?.scenario === "capacity" ? searchRow(`  ${name}`, own) : row(`  ${name}`, own));
    }
  }
  const memory = result.runs.flatMap(({ target, memory }) =>
    memory === undefined
      ? []
      : [`${target.name}: ${memory.bytesPerConnection.toFixed(0)} bytes per connection`],
  );
  return [table(head, rows), ...memory, ...claims.map(describeClaim)].join("\n");
}

// `npm run bench -- report` and `npm run bench -- compare`: files in, a page or a verdict out.

import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { interval, table } from "../measure/report.ts";
import { UsageError } from "../settings.ts";
import { type Compared, type Comparison, compare } from "./compare.ts";
import { type Loaded, load, ResultError, together } from "./load.ts";
import { page } from "./page.ts";

export const reportUsage = `usage: npm run bench -- report [files] [--out file]
  files: results of the suite and of scenarios; without any, of each in bench/results the one with the most
         runs, and of equal ones the newest
  --out file   where the page goes (default: bench/results/report.html)
       npm run bench -- compare before.json after.json [--json]
  exit code: 0 nothing is worse, 1 something is, 2 they can't be compared`;

const results = join(import.meta.dirname, "../results");

/** Of each scenario the most complete result, the suite's being one: what a report is made from if nobody says otherwise. */
export function fullestResults(folder = results): Loaded[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const readable = names.flatMap((name) => {
    try {
      return [load(join(folder, name))];
    } catch (error) {
      // The folder holds results of other programs too (mutants, faults), which no section reads.
      if (error instanceof ResultError) return [];
      throw error;
    }
  });
  const kindOf = ({ suite, older }: Loaded) =>
    suite === undefined ? older?.scenario : `suite ${suite.plan}`;
  const startedAt = ({ suite, older }: Loaded) => suite?.startedAt ?? older?.startedAt ?? "";
  const size = ({ suite, older }: Loaded) => suite?.runs.length ?? older?.parts.length ?? 0;
  const byKind = [...Map.groupBy(readable, kindOf).values()];
  // The most complete one, and of equal ones the newest: a run of one engine does not replace the full one.
  const best = byKind.map(
    (same) =>
      same.sort(
        (left, right) => size(right) - size(left) || (startedAt(left) < startedAt(right) ? 1 : -1),
      )[0] as Loaded,
  );
  const hasFull = best.some(({ suite }) => suite?.plan === "full");
  return best.filter(({ suite }) => suite === undefined || suite.plan === (hasFull ? "full" : suite.plan));
}

export function report(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { out: { type: "string", default: join(results, "report.html") } },
  });
  const loaded = positionals.length === 0 ? fullestResults() : positionals.map(load);
  if (loaded.length === 0) throw new UsageError("no result in bench/results yet: run the suite first");
  const suite = together(loaded.flatMap((one) => one.suite ?? []));
  writeFileSync(values.out, page(suite, loaded));
  console.log(`written to ${values.out}`);
  return 0;
}

export function compareFiles(args: readonly string[]): number {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: "boolean", default: false } },
  });
  const [before, after, ...more] = positionals.map(load);
  if (before?.suite === undefined || after?.suite === undefined || more.length > 0) {
    throw new UsageError("compare takes two results of the suite");
  }
  const comparison = compare(before.suite, after.suite);
  console.log(values.json ? JSON.stringify(comparison) : describeComparison(comparison));
  if (comparison.refusals.length > 0 || comparison.rows.length === 0) return 2;
  return comparison.rows.some(({ outcome }) => outcome === "worse") ? 1 : 0;
}

const speedWords = { better: "faster", worse: "slower" } as const;
const isSpeed = ({ unit }: Compared["metric"]) => unit !== "kB" && unit !== "%";

/** `faster` and `slower` where the metric is a time or a rate, else `better` and `worse`. */
export function outcomeWord({ metric, outcome }: Compared): string {
  return (outcome === "better" || outcome === "worse") && isSpeed(metric) ? speedWords[outcome] : outcome;
}

export function describeComparison({ refusals, remarks, rows }: Comparison): string {
  if (refusals.length > 0) return ["These results are not comparable.", ...refusals].join("\n");
  const line = (row: Compared) => [
    `${row.scenario} · ${row.arm} · ${row.metric.name}, ${row.metric.unit}`,
    row.before.toFixed(row.metric.digits),
    row.after.toFixed(row.metric.digits),
    interval(row.ratio, 3),
    outcomeWord(row),
  ];
  const conditions = [...Map.groupBy(rows, ({ scenario, condition }) => `${scenario}: ${condition}`)];
  const tables = conditions.map(
    ([name, same]) =>
      `${name}\n${table(["", "before", "after", "after / before [95 %]", ""], same.map(line))}\n`,
  );
  const count = (outcome: Compared["outcome"]) => rows.filter((row) => row.outcome === outcome).length;
  const chance = Math.ceil(rows.length / 20);
  return [
    ...tables,
    ...remarks,
    `${rows.length} comparisons: ${count("better")} better, ${count("worse")} worse, ${count("no difference")} without a difference, ${count("too few rounds")} with too few rounds.`,
    `At 95 % about ${chance} of them would differ by chance alone; rounds of two sittings have no common weather.`,
  ].join("\n");
}

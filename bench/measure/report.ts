// Tables, verdicts and the JSON file of a run; knows no scenario.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Interval, Verdict } from "./stats.ts";
import type { Flag } from "./validity.ts";

/** Columns as wide as their widest cell, the first one left-aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ");
  return [line(head), widths.map((width) => "─".repeat(width)).join("  "), ...rows.map(line)].join("\n");
}

export const number = (value: number | undefined, digits = 1): string =>
  value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);

export const interval = ({ low, mid, high }: Interval, digits: number): string =>
  `${mid.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;

export interface Claim {
  readonly what: string;
  readonly figure: Interval;
  readonly digits: number;
  readonly bound: number;
  readonly verdict: Verdict | "refused";
}

/** What a scenario answers per comparison; `text` is printed as soon as it is there. */
export interface Part {
  readonly claims: readonly Claim[];
  readonly text: string;
  readonly record: object;
}

/** One line per flag with how often it was raised and an example. */
export function describeFlags(flags: readonly Flag[]): string[] {
  const byName = Map.groupBy(flags, (flag) => flag.name);
  return [...byName].map(([name, same]) => {
    const refused = same[0]?.refuses === "everything" ? "no headline" : "no latency headline";
    return `flag ${name} (${refused}) × ${same.length}: ${same[0]?.detail}`;
  });
}

export const describeClaim = ({ what, figure, digits, bound, verdict }: Claim): string => {
  const found = figure.count === 0 ? "no figure" : interval(figure, digits);
  const limit = Number(bound.toFixed(3));
  return `${verdict.toUpperCase().padEnd(9)}  ${what}: ${found}, bound ${limit}, n = ${figure.count}`;
};

/** 0: everything met, or a quick run that found nothing missed. 1: something missed. 2: something undecided or refused. */
export function exitCode(claims: readonly Claim[], quick: boolean): number {
  if (claims.some((claim) => claim.verdict === "missed")) return 1;
  return quick || claims.every((claim) => claim.verdict === "met") ? 0 : 2;
}

export function writeResult(file: string, result: object): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(result, undefined, 1)}\n`);
}

// Writes the table of the benchmark suite into README.md: from the full result in bench/results with the most runs.

import { readFileSync, writeFileSync } from "node:fs";
import { fullestResults } from "../bench/report/command.ts";
import { markdownPart } from "../bench/report/markdown.ts";
import type { SuiteResult } from "../bench/suite/result.ts";
import { readme, replaceBetween, tableOf } from "./readme-tables.ts";

const part = { name: "bench", script: "scripts/bench-table.ts" };

const fullResult = (): SuiteResult | undefined =>
  fullestResults().find(({ suite }) => suite?.plan === "full")?.suite;

/** README's text with the figures as the result has them, or with the word that there is none yet. */
export function withBench(text: string, suite = fullResult()): string {
  if (suite === undefined) return replaceBetween(text, part, "No full run of the suite is committed yet.");
  const { introduction, headline, goals } = markdownPart(suite);
  const parts = [introduction, tableOf(headline), ...(goals.length > 1 ? [tableOf(goals)] : [])];
  return replaceBetween(text, part, parts.join("\n\n"));
}

if (import.meta.main) writeFileSync(readme, withBench(readFileSync(readme, "utf8")));

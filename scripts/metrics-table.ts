// Writes the table of metrics into README.md. Run it with bun: it reads the metrics from the sources.

import { readFileSync, writeFileSync } from "node:fs";
import { describeMetrics } from "../src/metrics/metrics.ts";
import { code, readme, replaceTable } from "./readme-tables.ts";

const head = ["metric", "type", "labels", "meaning"];

/** README's text with the table of metrics as it has to be. */
export function withMetrics(text: string): string {
  const rows = describeMetrics().map(({ name, type, labels, help }) => {
    return [code(name), type, labels.map(code).join(", "), help];
  });
  return replaceTable(text, { name: "metrics", script: "scripts/metrics-table.ts" }, [head, ...rows]);
}

if (import.meta.main) writeFileSync(readme, withMetrics(readFileSync(readme, "utf8")));

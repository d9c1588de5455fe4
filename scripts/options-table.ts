// Writes the table of options into README.md, between two comments. Run it with bun: it reads the options from the sources.

import { readFileSync, writeFileSync } from "node:fs";
import { describeOptions } from "../src/config.ts";

export const readme = new URL("../README.md", import.meta.url);
const begin = "<!-- options: written by `bun scripts/options-table.ts` -->";
const end = "<!-- /options -->";

/** README's text with the table as it has to be. */
export function withTable(text: string): string {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md needs the lines ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n${optionsTable()}\n${text.slice(to)}`;
}

/** In the form the formatter gives tables: columns as wide as their widest cell. */
function optionsTable(): string {
  const named = (name: string) => (name === "" ? "" : `\`${name}\``);
  const head = ["option", "variable", "default", "bounds", "meaning"];
  const rows = describeOptions().map((row) => [
    named(row.name),
    named(row.variable),
    row.default,
    row.bounds,
    row.meaning,
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const rule = widths.map((width) => "-".repeat(width));
  return [head, rule, ...rows]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`)
    .join("\n");
}

if (import.meta.main) writeFileSync(readme, withTable(readFileSync(readme, "utf8")));

// Writes the table of options into README.md. Run it with bun: it reads the options from the sources.

import { readFileSync, writeFileSync } from "node:fs";
import { describeOptions } from "../src/config/config.ts";
import { code, readme, replaceTable } from "./readme-tables.ts";

const head = ["option", "variable", "default", "bounds", "meaning"];

/** README's text with the table of options as it has to be. */
export function withOptions(text: string): string {
  const rows = describeOptions().map((row) => {
    return [code(row.name), code(row.variable), row.default, row.bounds, row.meaning];
  });
  return replaceTable(text, { name: "options", script: "scripts/options-table.ts" }, [head, ...rows]);
}

if (import.meta.main) writeFileSync(readme, withOptions(readFileSync(readme, "utf8")));

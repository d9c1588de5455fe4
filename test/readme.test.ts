// The README: its tables are the ones the code has.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { withBench } from "../scripts/bench-table.ts";
import { withMetrics } from "../scripts/metrics-table.ts";
import { withOptions } from "../scripts/options-table.ts";
import { readme } from "../scripts/readme-tables.ts";

const text = readFileSync(readme, "utf8");

test("the README's table of options has every option as it is (else: bun scripts/options-table.ts)", () => {
  expect(text).toBe(withOptions(text));
});

test("the README's table of metrics has every metric as it is (else: bun scripts/metrics-table.ts)", () => {
  expect(text).toBe(withMetrics(text));
});

test("the README's figures are those of the newest full result (else: bun scripts/bench-table.ts)", () => {
  expect(text).toBe(withBench(text));
});

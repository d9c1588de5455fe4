// The README: its table of options is the one the code has.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { readme, withTable } from "../scripts/options-table.ts";

test("the README's table of options has every option as it is (else: bun scripts/options-table.ts)", () => {
  const text = readFileSync(readme, "utf8");
  expect(text).toBe(withTable(text));
});

// The fault matrix with real processes, its faults short: a Redis and two nodes, one per engine, under load.

import { describe, expect, test } from "bun:test";
import { type Fault, faultsOf, shortDurations } from "./faults/cases.ts";
import { runFault } from "./faults/run.ts";
import { table } from "./faults/verdict.ts";

const timeoutMs = 120_000;
/** Each node is hit by every other fault; the whole matrix hits both with all: `npm run soak -- faults`. */
const alternating = faultsOf(shortDurations, ["bun"]).map((fault, index): Fault => {
  if (!fault.victim || index % 2 === 0) return fault;
  return faultsOf(shortDurations, ["uws"])[index]!;
});

describe("under load, with a subscriber of every mode on both nodes, every promise is kept through", () => {
  test.each(alternating.map((fault) => [`${fault.name} ${fault.victim ?? ""}`.trim(), fault] as const))(
    "%s",
    async (_, fault) => {
      const verdict = await runFault(fault);
      console.log(table([verdict]));
      expect(verdict.broken).toEqual([]);
      expect(verdict.acknowledged).toBeGreaterThan(200);
    },
    timeoutMs,
  );
});

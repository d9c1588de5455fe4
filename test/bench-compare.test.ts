// `bench compare`: a difference that is there is found, one that is not is not, and what cannot be compared is refused in a sentence.

import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { seededRandom } from "../bench/measure/stats.ts";
import { describeComparison, outcomeWord } from "../bench/report/command.ts";
import { compare, ratioInterval } from "../bench/report/compare.ts";
import { together } from "../bench/report/load.ts";
import type { SuiteResult } from "../bench/suite/result.ts";
import { syntheticSuite } from "./support/synthetic-suite.ts";

setDefaultTimeout(60_000);

const few = {
  targets: ["fanwire-bun", "guide"],
  scenarios: ["cpu", "latency", "memory"] as const,
  rounds: 8,
};

describe("compare", () => {
  test("finds a target that costs a fifth more, and calls nothing else slower", () => {
    const before = syntheticSuite({ ...few, sitting: 1 });
    const after = syntheticSuite({ ...few, sitting: 2, factor: { "fanwire-bun": 1.2 } });
    const { refusals, rows } = compare(before, after);
    expect(refusals).toEqual([]);
    const ours = rows.filter(({ arm }) => arm === "fanwire-bun");
    expect(ours.length).toBeGreaterThan(8);
    expect(ours.filter(({ outcome }) => outcome !== "worse")).toEqual([]);
    for (const { ratio } of ours) {
      expect(ratio.low).toBeLessThan(1.2 * 1.08);
      expect(ratio.high).toBeGreaterThan(1.2 / 1.08);
    }
    expect(rows.filter(({ arm, ratio }) => arm === "guide" && ratio.low > 1.02)).toEqual([]);
  });

  test("calls it faster when it is, and says so by the metric's own direction", () => {
    const before = syntheticSuite({ ...few, sitting: 1 });
    const after = syntheticSuite({ ...few, sitting: 2, factor: { guide: 0.7 } });
    const rows = compare(before, after).rows.filter(({ arm }) => arm === "guide");
    expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(["better"]));
    expect(new Set(rows.map(outcomeWord))).toEqual(new Set(["faster", "better"]));
  });

  test("finds hardly a difference between sittings of the same program", () => {
    // One metric: all of a target share its noise in a sitting, so a second one would say nothing new.
    const settings = { ...few, scenarios: ["memory"] as const };
    const rows = Array.from({ length: 30 }, (_, pair) => {
      const [before, after] = [2 * pair, 2 * pair + 1].map((sitting) =>
        syntheticSuite({ ...settings, sitting }),
      );
      return compare(before!, after!).rows;
    }).flat();
    expect(rows).toHaveLength(60);
    expect(rows.filter(({ outcome }) => outcome !== "no difference").length).toBeLessThanOrEqual(7);
  });

  test("says too few rounds instead of guessing from two", () => {
    const two = { ...few, rounds: 2 };
    const { rows } = compare(syntheticSuite({ ...two, sitting: 1 }), syntheticSuite({ ...two, sitting: 2 }));
    expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(["too few rounds"]));
  });

  test("leaves out runs that flags make invalid, and only latency where the publisher was late", () => {
    const before = syntheticSuite({ ...few, sitting: 1 });
    const flag = (refuses: "everything" | "latency") => [
      { name: "made-up", detail: "for the test", refuses },
    ];
    const after = syntheticSuite({
      ...few,
      sitting: 2,
      factor: { guide: 9 },
      flagsOf: (_, target) => (target === "guide" ? flag("everything") : flag("latency")),
    });
    const { rows } = compare(before, after);
    expect(rows.filter(({ arm }) => arm === "guide")).toEqual([]);
    expect(rows.filter(({ metric }) => metric.isLatency)).toEqual([]);
    expect(rows.filter(({ arm }) => arm === "fanwire-bun").length).toBeGreaterThan(3);
  });
});

describe("what cannot be compared", () => {
  const result = syntheticSuite({ ...few, rounds: 3 });
  const refusal = (other: Partial<SuiteResult>) => {
    const comparison = compare(result, { ...result, ...other });
    expect(comparison.rows).toEqual([]);
    expect(describeComparison(comparison)).toStartWith("These results are not comparable.");
    return comparison.refusals.join(" ");
  };

  test("is what another machine measured", () => {
    const machine = { ...result.machine, cpu: "Another", loadAverage: "9 9 9" };
    expect(refusal({ machine })).toBe('Other machine: cpu is "Synthetic" in one and "Another" in the other.');
  });

  test("is what another seed drew, another plan asked, or a smoke run showed", () => {
    expect(refusal({ seed: 2 })).toBe("Other seed: 1 and 2, so other schedules were measured.");
    expect(refusal({ plan: "quick" })).toStartWith("Other plan: full and quick");
    const smoke = { ...result, plan: "smoke" } as const;
    expect(compare(smoke, smoke).refusals).toEqual([
      "Both are smoke runs, which show that the suite works and measure nothing.",
    ]);
  });

  test("is an arm whose settings differ, while the others are compared", () => {
    const runs = result.runs.map((run) =>
      run.target.name === "guide"
        ? { ...run, target: { ...run.target, settings: { compression: true } } }
        : run,
    );
    const { rows, remarks, refusals } = compare(result, { ...result, runs });
    expect(refusals).toEqual([]);
    expect(new Set(rows.map(({ arm }) => arm))).toEqual(new Set(["fanwire-bun"]));
    expect(remarks.filter((text) => text.includes("guide: not compared, other settings"))).toHaveLength(6);
  });

  test("is not another commit or version: it is said, because it may be what is compared", () => {
    const machine = { ...result.machine, commit: "fedcba" };
    const { refusals, remarks } = compare(result, { ...result, machine });
    expect(refusals).toEqual([]);
    expect(remarks).toEqual([`commit: ${JSON.stringify(result.machine.commit)} before, "fedcba" after`]);
  });
});

test("the interval of a ratio of two sittings holds the truth about as often as it says", () => {
  const random = seededRandom(5);
  let held = 0;
  for (let trial = 0; trial < 200; trial++) {
    const draw = (scale: number) => Array.from({ length: 8 }, () => scale * (1 + (random() - 0.5) * 0.2));
    const { low, high } = ratioInterval(draw(1), draw(1.3), random, 300);
    if (low <= 1.3 && 1.3 <= high) held++;
  }
  expect(held).toBeGreaterThan(174);
});

test("several files of one commit are one result with more rounds; those of two are refused", () => {
  const part = syntheticSuite({ ...few, rounds: 2 });
  const both = together([part, syntheticSuite({ ...few, rounds: 3, sitting: 2 })]);
  expect(new Set(both?.runs.map(({ round }) => round))).toEqual(new Set([0, 1, 2, 3, 4]));
  const other = { ...part, machine: { ...part.machine, commit: "fedcba" } };
  expect(() => together([part, other])).toThrow("two commits");
  expect(together([])).toBeUndefined();
});

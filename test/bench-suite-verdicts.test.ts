// What the suite concludes from a result: verdicts over rounds, timelines of restless connections, its command line.

import { describe, expect, test } from "bun:test";
import { createHistogram, encode } from "../bench/measure/histogram.ts";
import { conditionsOf } from "../bench/report/arms.ts";
import { goalCells, goals, headlineTable } from "../bench/report/headline.ts";
import { bestPoint } from "../bench/report/metrics.ts";
import type { Run, SuiteResult } from "../bench/suite/result.ts";
import { isOfSuite, parseSuiteSettings } from "../bench/suite/settings.ts";
import { summaryOf } from "../bench/suite/summary.ts";
import { oneNode } from "../bench/suite/target.ts";
import { timelineOf } from "../bench/suite/timeline.ts";
import { syntheticSuite } from "./support/synthetic-suite.ts";

const empty = encode(createHistogram());

const kindOf = (name: string) => (name.startsWith("fanwire") ? "ours" : "peer");

const histograms = { fromIntended: empty, fromSent: empty, lastReceiver: empty, lateness: empty };
const cpuOf = (nsPerDelivery: number) => ({ node: nsPerDelivery * 1000, redis: 0, haproxy: 0, generator: 0 });

function runOf(name: string, round: number, cpuNsPerDelivery: number, rest: Partial<Run> = {}): Run {
  return {
    scenario: "cpu",
    target: { name, kind: kindOf(name), deployment: oneNode, versions: {}, settings: {} },
    workload: {
      ...{ name: "fanout", mode: "volatile", connections: 10, topics: 1, publishers: 1 },
      spec: { kind: "fanout", mode: "volatile" },
    },
    round,
    seed: 1,
    startedAt: "",
    offered: { publicationsPerSecond: 10, deliveriesPerSecond: 100 },
    achieved: { publicationsPerSecond: 10, deliveriesPerSecond: 100 },
    ...{ elapsedMs: 1000, durationMs: 1000, publicationsPerBurst: 1, framesPerChunk: 1 },
    ...{ bytesPerDelivery: 100, publications: 10, deliveries: 1000, expectedDeliveries: 1000 },
    cpuNs: cpuOf(cpuNsPerDelivery),
    rssBytes: { node: 1e8, redis: 0, haproxy: 0 },
    ...{ wallNs: 1e9, idleCpuNsPerSecond: 0 },
    histograms,
    ...{ lost: 0, doubled: 0, disordered: 0, skipped: 0, perSecond: [], flags: [] },
    ...rest,
  };
}

const resultOf = (runs: readonly Run[]): SuiteResult => ({
  ...{ schema: 2, kind: "suite", startedAt: "", endedAt: "", command: [], seed: 1, plan: "full" },
  ...{ machine: {}, unavailable: {}, runs },
});

const rounds = [0, 1, 2, 3, 4];
const flag = { name: "lost", detail: "1 of 1000", refuses: "everything" } as const;

describe("a verdict", () => {
  const verdict = (ours: number, theirs: number, rest: Partial<Run> = {}, count = 5) => {
    const runs = rounds
      .slice(0, count)
      .flatMap((round) => [
        runOf("fanwire-bun", round, ours + round, round === 0 ? rest : {}),
        runOf("guide", round, theirs + round),
      ]);
    const [claim] = goals(resultOf(runs));
    return claim?.verdict;
  };

  test("is met or missed by the ratio of rounds", () => {
    expect(verdict(5000, 10_000)).toBe("met");
    expect(verdict(9000, 10_000)).toBe("missed");
  });

  test("is refused where a run is invalid, and where rounds are few", () => {
    expect(verdict(5000, 10_000, { flags: [flag] }, 3)).toBe("refused");
    expect(verdict(5000, 10_000, {}, 2)).toBe("refused");
  });

  test("of three rounds is given where all of them agree, and says how many they are", () => {
    expect(verdict(5000, 10_000, {}, 3)).toBe("met");
    expect(verdict(9000, 10_000, {}, 3)).toBe("missed");
    // Six per mille above the bound in the first round, below it in the others.
    expect(verdict(6990, 10_000, { cpuNs: cpuOf(7060) }, 3)).toBe("undecided");
    const figure = { low: 0.4, mid: 0.5, high: 0.6, count: 3 };
    const claim = { what: "", figure, digits: 3, bound: 0.7 };
    expect(goalCells({ ...claim, verdict: "met" }).at(-1)).toBe("met, in all 3 rounds");
    expect(goalCells({ ...claim, verdict: "undecided" }).at(-1)).toBe("undecided");
    expect(goalCells({ ...claim, verdict: "met", figure: { ...figure, count: 5 } }).at(-1)).toBe("met");
  });

  test("is given on nothing that was not measured", () => {
    expect(goals(resultOf(rounds.map((round) => runOf("fanwire-bun", round, 5000))))).toEqual([]);
  });

  test("on the storm is missed where fanwire did not come back in a round, and met where only the peer did not", () => {
    const storm = (name: string, round: number, most: number | null) =>
      runOf(name, round, 1, {
        scenario: "storm",
        timeline: { points: [], wanted: 10, receivingMs: { half: 1, most, all: most }, missing: 0 },
      });
    const outcome = (ours: number | null, theirs: number | null) => {
      const runs = [0, 1, 2].flatMap((round) => [
        storm("fanwire-bun", round, round === 0 ? ours : 500),
        storm("centrifugo", round, round === 0 ? theirs : 900),
      ]);
      const [claim] = goals(resultOf(runs));
      return claim && [claim.verdict, goalCells(claim).at(-1)];
    };
    expect(outcome(500, 900)).toEqual(["met", "met, in all 3 rounds"]);
    expect(outcome(null, 900)).toEqual(["missed", "missed: it failed in a round"]);
    expect(outcome(500, null)?.[0]).toBe("met");
  });

  test("on p99.9 is given where rounds are long enough for it", () => {
    const histogram = createHistogram();
    histogram.recordValue(1e6);
    const own = { ...histograms, fromIntended: encode(histogram) };
    const latency = (name: string, round: number) =>
      runOf(name, round, 1, { scenario: "latency", publications: 10_000, histograms: own });
    const runs = [0, 1, 2].flatMap((round) => [latency("fanwire-bun", round), latency("centrifugo", round)]);
    const names = goals(resultOf(runs)).map(({ what, verdict }) => [what.split(", ms")[0], verdict]);
    expect(names).toContainEqual(["fanwire-bun / centrifugo: latency p99.9", "met"]);
    // Thirty publications in three rounds lie beyond it: the figure is marked.
    expect(headlineTable(resultOf(runs), ["fanwire-bun"]).rows.at(-1)?.[1]).toStartWith("~1.00");
  });

  test("is given for every row against Centrifugo, and for capacity and the floor", () => {
    const claims = goals(syntheticSuite());
    const whats = claims.filter(({ verdict }) => verdict !== "refused").map(({ what }) => what);
    const wanted = [
      ...["CPU per delivery", "capacity at p99 ≤ 50 ms", "latency p50", "latency p99"],
      ...["memory per connection", "storm: 95 % receiving", "kill: 95 % receiving"],
      ...["delivered under disconnects", "cross-node latency p99"],
    ];
    const missing = wanted.filter(
      (name) => !whats.some((what) => what.startsWith("fanwire-bun / centrifugo: ") && what.includes(name)),
    );
    expect(missing).toEqual([]);
    const ofGuide = claims.find(({ what }) => what.startsWith("fanwire-bun / guide: capacity"));
    expect(ofGuide?.bound).toBe(0.25);
    expect(claims.find(({ what }) => what.startsWith("fanwire-bun / raw-floor"))?.bound).toBeCloseTo(
      1 / 0.85,
    );
  });

  test("takes of a search the highest load within the bound that is valid", () => {
    const point = (load: number, ms50: boolean, flags: Run["flags"] = []) =>
      runOf("guide", 0, 1, {
        scenario: "capacity",
        achieved: { publicationsPerSecond: 1, deliveriesPerSecond: load },
        capacity: { step: "ramp", within: { ms5: false, ms10: false, ms50 }, deliveriesPerCoreSecond: load },
        flags,
      });
    const best = bestPoint(
      [point(10, true), point(20, true), point(30, true, [flag]), point(40, false)],
      "ms50",
    );
    expect(best?.achieved.deliveriesPerSecond).toBe(20);
    expect(bestPoint([point(10, false)], "ms50")).toBeUndefined();
  });
});

test("a condition names one connection as one", () => {
  const run = runOf("fanwire-bun", 0, 5000);
  const of = (connections: number) =>
    conditionsOf([{ ...run, workload: { ...run.workload, connections } }]).map(({ name }) => name);
  expect([...of(1), ...of(2)]).toEqual(["fanout, volatile, 1 connection", "fanout, volatile, 2 connections"]);
});

test("what is published only to see who is there is no load, and parts no rounds", () => {
  const of = (scenario: "memory" | "latency") => {
    const [one, other] = [1200, 2600].map((deliveriesPerSecond, round) => {
      const run = runOf("fanwire-bun", round, 5000);
      return { ...run, scenario, offered: { ...run.offered, deliveriesPerSecond } };
    });
    return conditionsOf([one!, other!]).map(({ runs }) => runs.length);
  };
  expect([of("memory"), of("latency")]).toEqual([[2], [1, 1]]);
});

test("an invalid run's row in the summary has no figure", () => {
  const text = summaryOf(resultOf([runOf("fanwire-bun", 0, 5000, { flags: [flag] })]), []);
  expect(text).toContain("INVALID: lost");
  expect(text).not.toContain("5.00");
  expect(summaryOf(resultOf([runOf("fanwire-bun", 0, 5000)]), [])).toContain("5.00");
});

test("a timeline counts who is ready and receiving at each moment, over all processes", () => {
  const record = { worstNs: [1, 9], recovers: true };
  const one = { ...record, endedMs: [100, 110], readyMs: [160, 300], receivingMs: [180, 420], missing: 0 };
  const other = { ...record, endedMs: [120], readyMs: [], receivingMs: [], missing: 1, worstNs: [4] };
  const timeline = timelineOf([one, other], 10, 500);
  const at = (ms: number) => timeline.points.find(({ atMs }) => atMs === ms);
  expect(at(50)).toEqual({ atMs: 50, ready: 10, receiving: 10, worstNs: 4 });
  expect(at(150)).toEqual({ atMs: 150, ready: 7, receiving: 7, worstNs: 0 });
  expect(at(200)).toEqual({ atMs: 200, ready: 8, receiving: 8, worstNs: 0 });
  expect(at(450)).toEqual({ atMs: 450, ready: 9, receiving: 9, worstNs: 0 });
  expect(timeline.receivingMs).toEqual({ half: 320, most: null, all: null });
  expect(timeline.missing).toBe(1);
});

test("the command line is the suite's without a benchmark's name, and is refused where it is wrong", () => {
  expect(isOfSuite(undefined)).toBe(true);
  expect(isOfSuite("--full")).toBe(true);
  expect(isOfSuite("--seed=4")).toBe(true);
  expect(isOfSuite("fanout")).toBe(false);
  expect(parseSuiteSettings([])).toMatchObject({ plan: "quick", seed: 1, json: false, targets: [] });
  const given = ["--full", "--target", "guide", "--target", "bare-bun", "--seed", "9"];
  expect(parseSuiteSettings(given)).toMatchObject({ plan: "full", seed: 9, targets: ["guide", "bare-bun"] });
  for (const wrong of [["--full", "--smoke"], ["--seed", "0"], ["--rounds", "x"], ["--fast"]]) {
    expect(() => parseSuiteSettings(wrong)).toThrow();
  }
});

// What the benchmark measures with: its schedule, its statistics, and every reason to refuse a verdict.

import { describe, expect, test } from "bun:test";
import { pace } from "../bench/client/pace.ts";
import { cpuBetween, readCpu } from "../bench/measure/cpu.ts";
import { createHistogram, encode, merge, percentileText } from "../bench/measure/histogram.ts";
import { summariseProfile } from "../bench/measure/profile.ts";
import { exitCode } from "../bench/measure/report.ts";
import { alternating, jitteredSchedule } from "../bench/measure/schedule.ts";
import { fitLine, judge, median, medianInterval, seededRandom, shuffled } from "../bench/measure/stats.ts";
import { comparisonFlags, flagsOf, ruleNames, type WindowFacts } from "../bench/measure/validity.ts";
import { parseSettings } from "../bench/settings.ts";

describe("the schedule", () => {
  const settings = { ratePerSecond: 200, durationMs: 1000, seed: 7 };

  test("is the same for the same seed and another for another", () => {
    expect(jitteredSchedule(settings)).toEqual(jitteredSchedule(settings));
    expect(jitteredSchedule({ ...settings, seed: 8 })).not.toEqual(jitteredSchedule(settings));
  });

  test("keeps rate and duration, and half a period between neighbours", () => {
    const times = jitteredSchedule(settings);
    expect(times.length).toBe(200);
    const gaps = [...times].slice(1).map((at, i) => at - times[i]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(2.5e6 - 1);
    expect(new Set(gaps).size).toBeGreaterThan(100);
    expect(times[199]!).toBeLessThan(1e9);
  });

  test("alternates between two servers, slice by slice, each of which gets the whole of it", () => {
    const times = jitteredSchedule({ ratePerSecond: 100, durationMs: 100, seed: 3 });
    const { times: merged, sides } = alternating(times, 20, 1);
    expect([...merged]).toEqual([...merged].sort((left, right) => left - right));
    // Two publications in a slice of 20 ms; who was second in one slice is first in the next.
    expect([...sides]).toEqual([1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0]);
    for (const side of [0, 1]) {
      const places = [...merged].filter((_, i) => sides[i] === side).map((at) => at % 20e6);
      expect(places).toEqual([...times].map((at) => at % 20e6));
    }
    expect(merged[19]!).toBeGreaterThan(180e6);
    expect(merged[19]!).toBeLessThan(200e6);
  });

  test("alternates between three servers in the same way", () => {
    const times = jitteredSchedule({ ...settings, ratePerSecond: 50, durationMs: 80 });
    const { times: merged, sides } = alternating(times, 20, 0, 3);
    expect([...merged]).toEqual([...merged].sort((left, right) => left - right));
    expect([...sides]).toEqual([0, 1, 2, 1, 2, 0, 2, 0, 1, 0, 1, 2]);
    expect([...merged].map((at) => Math.floor(at / 20e6))).toEqual(Array.from({ length: 12 }, (_, i) => i));
  });

  test("is kept open loop: what a slow step delays leaves at once, all of it, and its lateness is on record", async () => {
    const schedule = Float64Array.from([0, 5e6, 10e6, 15e6, 20e6]);
    const done: number[] = [];
    const paced = await pace(schedule, (index, intendedAt) => {
      done.push(index);
      expect(Bun.nanoseconds()).toBeGreaterThanOrEqual(intendedAt);
      if (index === 0) Bun.sleepSync(40);
    });
    expect(done).toEqual([0, 1, 2, 3, 4]);
    expect(paced.sent).toBe(5);
    // The second was due 5 ms after the first, which took 40.
    expect(paced.lateness.maxValue).toBeGreaterThan(30e6);
  });

  test("with a least gap what is overdue leaves at that distance", async () => {
    const at: number[] = [];
    const schedule = Float64Array.from([0, 1e6, 2e6, 3e6]);
    const note = (index: number) => {
      at.push(Bun.nanoseconds());
      if (index === 0) Bun.sleepSync(20);
    };
    const { lateness } = await pace(schedule, note, { leastGapNs: 5e6, isSleepless: true });
    const gaps = at.slice(1).map((time, i) => time - at[i]!);
    expect(Math.min(...gaps)).toBeGreaterThan(4.5e6);
    // The last one waited for two gaps after the 20 ms.
    expect(lateness.maxValue).toBeGreaterThan(25e6);
  });

  test("ends with the error of a step that throws", async () => {
    const paced = pace(Float64Array.from([0]), () => {
      throw new Error("cannot write");
    });
    await expect(paced).rejects.toThrow("cannot write");
  });
});

describe("the statistics", () => {
  test("a seeded shuffle keeps every item and repeats itself", () => {
    const items = [1, 2, 3, 4, 5, 6, 7, 8];
    const first = shuffled(items, seededRandom(3));
    expect(first).toEqual(shuffled(items, seededRandom(3)));
    expect(first).not.toEqual(items);
    expect([...first].sort()).toEqual(items);
  });

  test("the median of an even number of values lies between the middle two", () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });

  test("the fit finds the line behind exact points, and says how far others are from any line", () => {
    const exact = fitLine([1, 8, 64, 1000].map((x) => ({ x, y: 20 + 6 * x })));
    expect(exact.intercept).toBeCloseTo(20, 6);
    expect(exact.slope).toBeCloseTo(6, 9);
    expect(exact.worstResidual).toBeLessThan(1e-9);
    expect(fitLine([1, 8, 64].map((x) => ({ x, y: x * x }))).worstResidual).toBeGreaterThan(0.3);
  });

  test("the fit weighs large sizes less: noise at a thousand does not move the intercept", () => {
    const noisy = fitLine([
      { x: 1, y: 26 },
      { x: 8, y: 68 },
      { x: 64, y: 404 },
      { x: 1000, y: 6020 * 1.02 },
    ]);
    expect(Math.abs(noisy.intercept - 20)).toBeLessThan(2.5);
    expect(noisy.slope).toBeCloseTo(6 * 1.02, 1);
  });

  test("with the weights of one arm, the difference of two fits is the fit of the difference, whatever both share", () => {
    const bend = (x: number) => 15 * Math.sqrt(x);
    const bare = [1, 8, 64, 1000].map((x) => ({ x, y: 20 + 6 * x + bend(x) }));
    const ours = bare.map(({ x, y }) => ({ x, y: y + 9 + 0.12 * x }));
    const [fitted, control] = [fitLine(ours, bare), fitLine(bare)];
    expect(fitted.intercept - control.intercept).toBeCloseTo(9, 6);
    expect(fitted.slope - control.slope).toBeCloseTo(0.12, 9);
    // With weights of its own each line bends differently.
    expect(Math.abs(fitLine(ours).intercept - control.intercept - 9)).toBeGreaterThan(0.1);
  });

  test("the bootstrap interval holds the true median about as often as it says", () => {
    const random = seededRandom(11);
    let held = 0;
    for (let trial = 0; trial < 200; trial++) {
      const values = Array.from({ length: 10 }, () => 1 + (random() - 0.5));
      const { low, high } = medianInterval(values, random, 300);
      if (low <= 1 && 1 <= high) held++;
    }
    expect(held).toBeGreaterThan(174);
    expect(held).toBeLessThan(200);
  });

  test("a bound is met or missed only by the whole interval", () => {
    const interval = { low: 1.01, mid: 1.02, high: 1.04, count: 8 };
    expect(judge(interval, 1.04)).toBe("met");
    expect(judge(interval, 1.03)).toBe("undecided");
    expect(judge(interval, 1)).toBe("missed");
  });
});

describe("the histograms", () => {
  test("merged ones hold both, and their percentiles are not averages", () => {
    const fast = createHistogram();
    const slow = createHistogram();
    for (let i = 0; i < 990; i++) fast.recordValue(1000);
    for (let i = 0; i < 30; i++) slow.recordValue(1_000_000);
    const both = merge([fast, slow]);
    expect(both.totalCount).toBe(1020);
    expect(both.getValueAtPercentile(50)).toBe(fast.getValueAtPercentile(50));
    expect(both.getValueAtPercentile(99)).toBe(slow.getValueAtPercentile(99));
    expect(encode(both).length).toBeGreaterThan(20);
  });

  test("a percentile with too few samples beyond it is marked, then not printed", () => {
    const histogram = createHistogram();
    for (let i = 0; i < 20_000; i++) histogram.recordValue(5000);
    expect(percentileText(histogram, 99, 10_000)).toBe("5");
    expect(percentileText(histogram, 99, 9_000)).toBe("~5");
    expect(percentileText(histogram, 99, 900)).toBe("–");
  });
});

describe("validity", () => {
  const sound: WindowFacts = {
    connections: 100,
    connectionsCut: 0,
    unexpectedFrames: 0,
    publicationsPlanned: 1000,
    publicationsSent: 1000,
    expected: 100_000,
    received: 100_000,
    lost: 0,
    disordered: 0,
    plannedNs: 1e9,
    elapsedNs: 1.01e9,
    lowestLatencyNs: 20_000,
    generatorBusy: 0.5,
    serverBusy: 0.5,
    foreignBusy: 0.02,
    stealShare: 0,
    serverNs: 500e6,
    serverCoarseNs: 510e6,
    framesPerChunk: 1,
    latenessP99Ns: 20_000,
    lastReceiverP50Ns: 400_000,
  };
  const trips: Record<string, Partial<WindowFacts>> = {
    "nobody-connected": { connections: 0 },
    "connections-cut": { connectionsCut: 1 },
    "unexpected-frames": { unexpectedFrames: 1 },
    "nothing-published": { publicationsSent: 0 },
    underachieved: { publicationsSent: 989 },
    "too-many-received": { received: 100_001 },
    lost: { received: 99_999 },
    disordered: { disordered: 1 },
    "negative-latency": { lowestLatencyNs: -1 },
    stalled: { elapsedNs: 1.6e9 },
    "generator-busy": { generatorBusy: 0.81 },
    "server-saturated": { serverBusy: 0.81 },
    "foreign-load": { foreignBusy: 0.11 },
    steal: { stealShare: 0.011 },
    "cpu-mismatch": { serverCoarseNs: 600e6 },
    coalesced: { framesPerChunk: 1.06 },
    "publisher-late": { latenessP99Ns: 41_000 },
  };

  test("a sound window raises no flag", () => {
    expect(flagsOf(sound)).toEqual([]);
  });

  test("every rule has a case here that trips it", () => {
    expect(Object.keys(trips).sort()).toEqual([...ruleNames].sort());
  });

  test.each(Object.entries(trips))("%s is flagged", (name, fault) => {
    const flags = flagsOf({ ...sound, ...fault });
    expect(flags.map((flag) => flag.name)).toContain(name);
    expect(flags.find((flag) => flag.name === name)?.detail).not.toBe("");
    expect(flagsOf({ ...sound, ...fault }, [name]).map((flag) => flag.name)).not.toContain(name);
  });

  test("a late publisher forbids claims of latency only, everything else forbids every claim", () => {
    for (const [name, fault] of Object.entries(trips)) {
      const flag = flagsOf({ ...sound, ...fault }).find((raised) => raised.name === name);
      expect(flag?.refuses).toBe(name === "publisher-late" ? "latency" : "everything");
    }
  });

  test("loss or disorder is never excused as a disturbance of the machine", () => {
    for (const name of ["lost", "disordered", "too-many-received", "connections-cut", "negative-latency"]) {
      const raised = flagsOf({ ...sound, ...trips[name] });
      expect(raised.filter((flag) => flag.disturbance)).toEqual([]);
    }
  });

  test("a quick run and one of few rounds are refused a headline", () => {
    expect(comparisonFlags({ rounds: 8, quick: false })).toEqual([]);
    expect(comparisonFlags({ rounds: 8, quick: true }).map((flag) => flag.name)).toEqual(["quick"]);
    expect(comparisonFlags({ rounds: 4, quick: false }).map((flag) => flag.name)).toEqual(["few-rounds"]);
  });
});

describe("the rest", () => {
  test("CPU time of a process is seen by both of the kernel's counts", () => {
    const before = readCpu(process.pid);
    const start = process.cpuUsage();
    while (process.cpuUsage(start).user < 60_000);
    const used = cpuBetween(before, readCpu(process.pid));
    expect(used.ns).toBeGreaterThan(50e6);
    expect(Math.abs(used.ns - used.coarseNs)).toBeLessThan(0.03 * used.ns + 20e6);
  });

  test("a profile is counted by samples, without the waiting", () => {
    const frame = (functionName: string, url: string) => ({ functionName, url, lineNumber: 9 });
    const nodes = [
      { id: 1, callFrame: frame("(idle)", "") },
      { id: 2, callFrame: frame("publish", "file:///x/src/hub.ts") },
      { id: 3, callFrame: frame("", "") },
    ];
    const rows = summariseProfile(JSON.stringify({ nodes, samples: [1, 1, 1, 2, 2, 2, 3] }));
    expect(rows).toEqual([
      { name: "publish", place: "src/hub.ts:10", share: 0.75 },
      { name: "(anonymous)", place: "", share: 0.25 },
    ]);
  });

  test("the exit code tells a missed bound from an undecided one, and a quick run from both", () => {
    const claim = (verdict: "met" | "missed" | "undecided" | "refused") => {
      const figure = { low: 1, mid: 1, high: 1, count: 8 };
      return { what: "x", figure, digits: 1, bound: 1, verdict };
    };
    expect(exitCode([claim("met")], false)).toBe(0);
    expect(exitCode([claim("met"), claim("missed")], false)).toBe(1);
    expect(exitCode([claim("met"), claim("undecided")], false)).toBe(2);
    expect(exitCode([claim("refused")], false)).toBe(2);
    expect(exitCode([claim("refused")], true)).toBe(0);
  });

  test("the command line is refused where it is wrong", () => {
    expect(parseSettings(["fanout", "--engine", "uws", "--seed", "5"]).settings).toMatchObject({
      engines: ["uws"],
      formats: ["json", "msgpack"],
      seed: 5,
    });
    for (const args of [[], ["fanout", "slow"], ["fanout", "--engine", "deno"], ["fanout", "--seed", "x"]]) {
      expect(() => parseSettings(args)).toThrow();
    }
  });
});

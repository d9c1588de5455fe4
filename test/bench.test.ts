// The benchmark suite's own instruments: a wrong ruler is worse than none.

import { describe, expect, test } from "bun:test";
import { Connection, openMany } from "../bench/client/connection.ts";
import { Deliveries } from "../bench/client/deliveries.ts";
import { maskedFrame, opcode, scanFrames } from "../bench/client/frames.ts";
import { pace } from "../bench/client/pace.ts";
import { decodeFrame, firstSequence, PublishFrames, SequencePlace } from "../bench/client/payload.ts";
import { SlowReader } from "../bench/client/slow-reader.ts";
import { measureWindow } from "../bench/client/window.ts";
import { cpuBetween, readCpu } from "../bench/measure/cpu.ts";
import { createHistogram, encode, merge, percentileText } from "../bench/measure/histogram.ts";
import { summariseProfile } from "../bench/measure/profile.ts";
import { exitCode } from "../bench/measure/report.ts";
import { jitteredSchedule } from "../bench/measure/schedule.ts";
import { fitLine, judge, median, medianInterval, seededRandom, shuffled } from "../bench/measure/stats.ts";
import { comparisonFlags, flagsOf, ruleNames, type WindowFacts } from "../bench/measure/validity.ts";
import { parseSettings } from "../bench/settings.ts";
import { startServer } from "../bench/targets/servers.ts";

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

  test("the fit weighs relative errors: noise at a thousand does not move the intercept", () => {
    const noisy = fitLine([
      { x: 1, y: 26 },
      { x: 8, y: 68 },
      { x: 64, y: 404 },
      { x: 1000, y: 6020 * 1.02 },
    ]);
    expect(Math.abs(noisy.intercept - 20)).toBeLessThan(1);
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

describe("the frames", () => {
  const collect = () => {
    const frames: { code: number; text: string }[] = [];
    const frame = (code: number, buffer: Buffer, start: number, end: number) =>
      frames.push({ code, text: buffer.toString("latin1", start, end) });
    return { frames, receiver: { frame } };
  };
  const unmasked = (code: number, text: string) => {
    const masked = maskedFrame(code, Buffer.from(text));
    const headEnd = masked.length - text.length - 4;
    const head = Buffer.from(masked.subarray(0, headEnd));
    head[1]! &= 0x7f;
    return Buffer.concat([head, Buffer.from(text)]);
  };

  test("are found wherever a chunk is cut, at each of the three lengths", () => {
    const texts = ["short", "m".repeat(300), "l".repeat(70_000)];
    const stream = Buffer.concat(texts.map((text) => unmasked(opcode.text, text)));
    const cuts = [1, 2, 7, 8, 9, 10, 11, 12, 300, 311, 312, 316, 320, 321, 70_000, stream.length - 1];
    for (const cut of cuts) {
      const { frames, receiver } = collect();
      const used = scanFrames(stream.subarray(0, cut), receiver);
      scanFrames(stream.subarray(used), receiver);
      expect(frames.map((frame) => frame.text)).toEqual(texts);
    }
  });

  test("a fragmented or compressed frame is refused instead of misread", () => {
    expect(() => scanFrames(Buffer.from([0x01, 0x00]), collect().receiver)).toThrow("unexpected first byte");
    expect(() => scanFrames(Buffer.from([0xc1, 0x00]), collect().receiver)).toThrow("unexpected first byte");
  });

  test.each(["json", "msgpack"] as const)(
    "a %s publish frame carries its number and keeps its length",
    (format) => {
      const frames = new PublishFrames(format, "game:x", 36);
      const place = new SequencePlace(format);
      const lengths = new Set<number>();
      for (const sequence of [0, 1, 99, 100_000, 12_345_678]) {
        const frame = frames.at(sequence);
        lengths.add(frame.length);
        const payload = frame.subarray(
          frame.length - (frame[1]! === 0x80 + 126 ? frame.readUInt16BE(2) : frame[1]! & 0x7f),
        );
        expect(place.read(payload, 0, payload.length)).toBe(sequence);
        const decoded = decodeFrame(format === "json" ? opcode.text : opcode.binary, payload);
        expect(decoded).toMatchObject({
          type: "publish",
          topic: "game:x",
          data: { seq: firstSequence + sequence },
        });
      }
      expect(lengths.size).toBe(1);
    },
  );

  test("a frame without a number, or with one in another place, is not taken for the last one", () => {
    const place = new SequencePlace("json");
    const at = (text: string) => place.read(Buffer.from(text), 0, text.length);
    expect(at('{"a":1,"seq":100000005}')).toBe(5);
    expect(at('{"seq":100000006,"a":1}')).toBe(6);
    expect(at('{"type":"reset"}')).toBe(-1);
  });
});

describe("the account of deliveries", () => {
  const sent = (deliveries: Deliveries, count: number) => {
    for (let i = 0; i < count; i++) deliveries.publishing(i, i * 1000, i * 1000 + 100);
  };

  test("times each delivery from the intended and from the real sending, and the last receiver of each publication", () => {
    const deliveries = new Deliveries({ publications: 2, subscribers: 2 });
    sent(deliveries, 2);
    deliveries.receivedAt(0, 0, 500);
    deliveries.receivedAt(1, 0, 900);
    deliveries.receivedAt(0, 1, 1700);
    expect(deliveries.fromIntended.maxValue).toBe(900);
    expect(deliveries.fromSent.maxValue).toBe(800);
    expect(deliveries.lowestLatencyNs).toBe(400);
    expect(deliveries.lastReceiver().totalCount).toBe(1);
    expect(deliveries.lastReceiver().maxValue).toBe(900);
  });

  test("counts what is missing, what comes twice and what comes late", () => {
    const deliveries = new Deliveries({ publications: 6, subscribers: 1 });
    sent(deliveries, 6);
    for (const sequence of [0, 1, 4, 4, 2, 5]) deliveries.receivedAt(0, sequence, 10_000);
    expect({ lost: deliveries.lost, disordered: deliveries.disordered }).toEqual({ lost: 2, disordered: 2 });
  });

  test("follows numbers that repeat in a ring, and still sees a gap and a double", () => {
    const deliveries = new Deliveries({ publications: 12, subscribers: 1, ring: 4 });
    sent(deliveries, 12);
    for (const wire of [0, 1, 2, 3, 0, 1, 3, 3, 0]) deliveries.receivedAt(0, wire, 20_000);
    expect({ lost: deliveries.lost, disordered: deliveries.disordered }).toEqual({ lost: 1, disordered: 1 });
  });

  test("is complete with the last expected delivery and not before", async () => {
    const deliveries = new Deliveries({ publications: 1, subscribers: 2 });
    sent(deliveries, 1);
    let complete = false;
    const waiting = deliveries.complete(60_000).then(() => {
      complete = true;
    });
    deliveries.receivedAt(0, 0, 500);
    await Promise.resolve();
    expect(complete).toBe(false);
    deliveries.receivedAt(1, 0, 600);
    await waiting;
    expect(complete).toBe(true);
  });
});

describe("a slow reader", () => {
  const told = (...frames: (number | "reset")[]) => {
    const connection = {
      format: "json",
      bytes: 0,
      pause: () => undefined,
      resume: () => undefined,
    } as unknown as Connection;
    const settings = { kind: "stopped", bytesPerSecond: 1000, stopMs: 60_000, resumeMs: 60_000 } as const;
    const reader = new SlowReader(connection, settings);
    for (const frame of frames) {
      const object =
        frame === "reset" ? { type: "reset" } : { type: "message", data: { seq: firstSequence + frame } };
      const payload = Buffer.from(JSON.stringify(object));
      reader.message(connection, payload, 0, payload.length);
    }
    return reader;
  };

  test("ends complete when everything came in order, and with reset when it was told of the gap", async () => {
    const complete = told(0, 1, 2);
    await complete.finish(3, 60_000);
    expect(complete.outcome).toBe("complete");
    const reset = told(0, "reset", 2);
    await reset.finish(3, 60_000);
    expect(reset.outcome).toBe("reset");
    expect(reset.skippedByReset).toBe(1);
  });

  test("has lost silently when a gap was not announced, a publication came twice, or one came late", async () => {
    for (const frames of [
      [0, 2],
      [0, "reset", 1, 3],
      [0, 1, 1],
      [1, 0],
    ] as const) {
      const reader = told(...frames);
      await reader.finish(frames.length, 1);
      expect(reader.outcome).toBe("silent-loss");
    }
  });

  test("that was closed is told, one that still waits is unfinished", async () => {
    const closed = told(0);
    closed.closed(closed.connection, 4002);
    await closed.finish(3, 60_000);
    expect(closed.outcome).toBe("closed");
    const waiting = told(0);
    await waiting.finish(3, 1);
    expect(waiting.outcome).toBe("unfinished");
  });
});

describe("a window", () => {
  test("over real sockets to a bare engine counts every delivery and the CPU of both sides", async () => {
    const server = await startServer("bare", "bun");
    const subscribers = await openMany({ port: server.port, format: "json", query: "?topics=t" }, 5);
    const query = "?publish=t&ring=4";
    const publisher = await Connection.open({ port: server.port, format: "json", query });
    const frames = new PublishFrames("json", "game:x", 36);
    // A bare engine publishes whatever its ring was filled with.
    for (let i = 0; i < 4; i++) publisher.write(frames.at(i));
    const schedule = jitteredSchedule({ ratePerSecond: 200, durationMs: 100, seed: 1 });
    const result = await measureWindow({
      serverPid: server.pid,
      publisher,
      subscribers,
      frames,
      schedule,
      durationMs: 100,
      ring: 4,
    });
    for (const connection of [...subscribers, publisher]) connection.close();
    await server.stop();
    const { expected, received, lost, disordered, lowestLatencyNs } = result.facts;
    expect({ expected, received, lost, disordered }).toEqual({
      expected: 100,
      received: 100,
      lost: 0,
      disordered: 0,
    });
    expect(lowestLatencyNs).toBeGreaterThan(0);
    expect(result.serverNs).toBeGreaterThan(0);
    expect(result.generatorNs).toBeGreaterThan(0);
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

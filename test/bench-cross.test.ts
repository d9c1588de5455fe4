// The instruments of the benchmarks cross, cross-cpu, redis-load and nodes, and every reason to distrust what they say.

import { describe, expect, test } from "bun:test";
import { Audience } from "../bench/client/audience.ts";
import type { AudienceRecord } from "../bench/client/audience-group.ts";
import { Connection } from "../bench/client/connection.ts";
import { decodeFrame, firstSequence, IdempotentFrames, SequencePlace } from "../bench/client/payload.ts";
import { Tally } from "../bench/client/tally.ts";
import type { WindowResult } from "../bench/client/window.ts";
import { sharedClockOffsetNs } from "../bench/measure/clock.ts";
import { createHistogram, decode, encode } from "../bench/measure/histogram.ts";
import { pairsOf } from "../bench/scenarios/cross.ts";
import { bareBytesOf, type CpuWindow } from "../bench/scenarios/cross-cpu.ts";
import { windowFlags as cpuFlags } from "../bench/scenarios/cross-cpu-flags.ts";
import { costsOf } from "../bench/scenarios/cross-cpu-report.ts";
import { excessUs } from "../bench/scenarios/cross-report.ts";
import { enginesOf, type NodesRun, sizeOf } from "../bench/scenarios/nodes.ts";
import { faultsOf, flagsOf } from "../bench/scenarios/nodes-report.ts";
import type { LoadWindow } from "../bench/scenarios/redis-load.ts";
import { windowFlags as loadFlags, sentOf } from "../bench/scenarios/redis-load-report.ts";
import { startBareRedis, startLibraryHost } from "../bench/targets/asked.ts";
import { differenceOf, parseInfo, type RedisProcess, startRedis } from "../bench/targets/redis.ts";

const histogramOf = (ns: number) => {
  const histogram = createHistogram();
  histogram.recordValue(ns);
  return histogram;
};
const frameOf = (value: object) => Buffer.from(JSON.stringify(value));
const hear = (
  listener: Audience | Tally,
  connection: { readonly index: number; readonly format: "json" },
  value: object,
  at = 0,
) => {
  const frame = frameOf(value);
  listener.message(connection as unknown as Connection, frame, 0, frame.length, at);
};

describe("the load", () => {
  test.each(["json", "msgpack"] as const)(
    "each %s publication has an idempotency key of its own",
    (format) => {
      const frames = new IdempotentFrames(format, "room:x", 36, "3-1-");
      const place = new SequencePlace(format);
      const keys = new Set<unknown>();
      for (const sequence of [0, 1, 99_999]) {
        const frame = frames.at(sequence);
        const length = (frame[1]! & 0x7f) === 126 ? frame.readUInt16BE(2) : frame[1]! & 0x7f;
        const payload = frame.subarray(frame.length - length);
        expect(place.read(payload, 0, length)).toBe(sequence);
        keys.add(decodeFrame(format === "json" ? 1 : 2, payload).idempotencyKey);
      }
      expect([...keys]).toEqual([0, 1, 99_999].map((sequence) => `3-1-${firstSequence + sequence}`));
    },
  );

  test("both engines make three pairs, one of them mixed; nodes alternate", () => {
    expect(pairsOf(["bun", "uws"])).toEqual([
      ["bun", "bun"],
      ["uws", "uws"],
      ["bun", "uws"],
    ]);
    expect(pairsOf(["uws"])).toEqual([["uws", "uws"]]);
    expect(enginesOf(3, ["bun", "uws"])).toEqual(["bun", "uws", "bun"]);
    const plan = { subscribers: 11, groups: 3 } as NodesRun["plan"];
    expect([0, 1, 2].map((group) => sizeOf(plan, group))).toEqual([4, 4, 3]);
  });

  test("the bare control's turn has the bytes of fanwire's envelope, in one message or in fifty", () => {
    expect(bareBytesOf(1)).toBeGreaterThan(50 * 64);
    expect(bareBytesOf(50)).toBeGreaterThan(64);
    expect(bareBytesOf(50)).toBeLessThan(130);
  });
});

describe("the clocks", () => {
  test("two processes agree on the time to less than a millisecond", async () => {
    const script = `const { sharedClockOffsetNs } = await import("./bench/measure/clock.ts");
      const offset = sharedClockOffsetNs();
      console.log(Bun.nanoseconds() + offset);`;
    const offset = sharedClockOffsetNs();
    const before = Bun.nanoseconds() + offset;
    const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
    const there = Number(await new Response(child.stdout).text());
    const after = Bun.nanoseconds() + offset;
    expect(there).toBeGreaterThan(before);
    expect(there).toBeLessThan(after + 1e6);
    // Without the offset they are apart by as much as their starts.
    expect(Math.abs(sharedClockOffsetNs() - offset)).toBeLessThan(1e6);
  });

  test("a histogram comes from another process as it was", () => {
    const there = decode(encode(histogramOf(12_345)));
    expect(there.totalCount).toBe(1);
    expect(there.getValueAtPercentile(50)).toBe(histogramOf(12_345).getValueAtPercentile(50));
  });
});

describe("Redis' own count", () => {
  test("is read by command, and what counting takes is taken off", () => {
    const text = (calls: number, bytes: number) =>
      `total_net_input_bytes:${bytes}\r\ntotal_net_output_bytes:${2 * bytes}\r\ncmdstat_evalsha:calls=${calls},usec=3\r\ncmdstat_info:calls=${calls},usec=1\r\n`;
    const [before, after] = [parseInfo(text(3, 100)), parseInfo(text(5, 700))];
    expect(before).toEqual({ commands: { evalsha: 3, info: 3 }, inBytes: 100, outBytes: 200 });
    const own = { commands: { info: 2 }, inBytes: 40, outBytes: 90 };
    expect(differenceOf(before, after, own)).toEqual({
      commands: { evalsha: 2 },
      inBytes: 560,
      outBytes: 1110,
    });
  });

  const load: LoadWindow = {
    ...{ mode: "stream", topics: 1, perSecond: 100, planned: 100, published: 100, seconds: 1 },
    ...{ expected: 200, received: 200, redisNs: 1, nodesNs: 1, wallNs: 1.01e9 },
    counts: { commands: { evalsha: 100, publish: 104, hset: 100 }, inBytes: 1, outBytes: 1 },
  };

  test("what scripts call is not taken for what clients sent", () => {
    expect(sentOf(load)).toBe(100);
    expect(sentOf({ ...load, mode: "volatile" })).toBe(204);
  });

  test("each reason to distrust a window is told", () => {
    const names = (fault: Partial<LoadWindow>) => loadFlags({ ...load, ...fault }).map(({ name }) => name);
    expect(names({})).toEqual([]);
    expect(names({ seconds: 1.02 })).toEqual(["rate-not-reached"]);
    expect(names({ wallNs: 1.25e9 })).toEqual(["rate-not-stood"]);
    expect(names({ published: 98 })).toEqual(["rate-not-reached", "underachieved"]);
    expect(names({ received: 201 })).toEqual(["too-many-received"]);
    expect(names({ received: 199 })).toEqual(["lost"]);
  });
});

describe("cross", () => {
  test("what is above memory and a round trip is a difference of medians", () => {
    const window = (ns: number) => ({ fromSent: histogramOf(ns) }) as unknown as WindowResult;
    const round = { memory: window(100_000), cross: window(400_000), publishNs: [1, 90_000, 1e9] };
    const excess = excessUs({ ...round, round: 1, pingNs: [], flags: [] });
    expect(Math.abs(excess - 210)).toBeLessThan(1);
  });
});

describe("cross-cpu", () => {
  const window: CpuWindow = {
    ...{ arm: "stream", round: 1, wanted: 1000, accepted: 1000, received: 1000, lost: 0, disordered: 0 },
    ...{ unexpected: 0, publishingNs: 5e6, receivingNs: 4e6, redisNs: 1e6, foreignNs: 0, stealNs: 0 },
    ...{ wallNs: 20e6, messagesPerTurn: 1, messagesWanted: 1 },
  };

  test("a publication costs what its node used, by those that were accepted", () => {
    expect(costsOf([window, { ...window, arm: "volatile" }], "stream", "publishing")).toEqual([5]);
  });

  test("each reason to distrust a window is told", () => {
    const names = (fault: Partial<CpuWindow>) => cpuFlags({ ...window, ...fault }).map(({ name }) => name);
    expect(names({})).toEqual([]);
    expect(names({ accepted: 999 })).toEqual(["underachieved"]);
    expect(names({ received: 1001 })).toEqual(["too-many-received"]);
    expect(names({ received: 999 })).toEqual(["lost"]);
    expect(names({ lost: 1 })).toEqual(["lost"]);
    expect(names({ disordered: 1 })).toEqual(["disordered"]);
    expect(names({ unexpected: 1 })).toEqual(["unexpected-frames"]);
    expect(names({ redisNs: 12e6 })).toEqual(["server-saturated"]);
    expect(names({ receivingNs: 17e6 })).toEqual(["server-saturated"]);
    expect(names({ foreignNs: 3e6 })).toEqual(["foreign-load"]);
    expect(names({ stealNs: 0.3e6 })).toEqual(["steal"]);
    expect(names({ messagesPerTurn: 0.85 })).toEqual(["other-batches"]);
    expect(names({ messagesWanted: 50, messagesPerTurn: 50 })).toEqual([]);
  });

  test("a subscriber's tally knows doubles, late ones and what is missing", () => {
    const connection = { index: 0, format: "json" as const, listener: undefined };
    const told = (isOrdered: boolean, ...sequences: number[]) => {
      const tally = new Tally(connection as unknown as Connection, 3, isOrdered);
      for (const sequence of sequences) hear(tally, connection, { data: { seq: firstSequence + sequence } });
      return { received: tally.received, lost: tally.lost, disordered: tally.disordered };
    };
    expect(told(true, 0, 1, 2)).toEqual({ received: 3, lost: 0, disordered: 0 });
    expect(told(true, 0, 2, 1)).toEqual({ received: 3, lost: 1, disordered: 1 });
    expect(told(false, 0, 2, 1)).toEqual({ received: 3, lost: 0, disordered: 0 });
    expect(told(false, 0, 0, 1)).toEqual({ received: 3, lost: 1, disordered: 1 });
    const tally = new Tally(connection as unknown as Connection, 3, true);
    hear(tally, connection, { type: "reset" });
    expect(tally.unexpected).toBe(1);
  });

  const options = (redis: RedisProcess) => ({ port: 0, logLevel: "silent", redis: { urls: [redis.url] } });

  test("over a real Redis a library's turn is one message", async () => {
    await using redis = await startRedis();
    await using publishing = await startLibraryHost("bun", options(redis));
    await using receiving = await startLibraryHost("bun", options(redis));
    const subscriber = await Connection.open({ port: receiving.port, format: "json", query: "?join=none" });
    await subscriber.request({ type: "subscribe", topic: "room:t" });
    const tally = new Tally(subscriber, 40, true);
    const before = await redis.counts();
    const wanted = { topic: "room:t", topics: 1, turns: 4, perSecond: 50, perTurn: 10, textBytes: 5 };
    const publish = () => publishing.ask<{ accepted: number }>({ publish: { ...wanted, keyPrefix: "k" } });
    expect((await publish()).accepted).toBe(40);
    expect(await tally.complete()).toBe(40);
    expect(tally.lost + tally.disordered + tally.unexpected).toBe(0);
    const { commands } = redis.between(before, await redis.counts());
    expect(commands.xadd).toBe(4);
    // Under the same keys: accepted as what was, and not published again.
    expect((await publish()).accepted).toBe(40);
    expect(tally.received).toBe(40);
    subscriber.cut();
  }, 30_000);

  test("the bare control times every round trip and hears every message", async () => {
    await using redis = await startRedis();
    await using control = await startBareRedis("bun", redis.url);
    const { publishNs, pingNs } = await control.ask<{ publishNs: number[]; pingNs: number[] }>({
      // So many a second that several are under way at once.
      roundTrips: { count: 50, perSecond: 100_000, payloadBytes: 10 },
    });
    expect([publishNs.length, pingNs.length]).toEqual([50, 50]);
    expect(Math.min(...publishNs, ...pingNs)).toBeGreaterThan(0);
    await control.ask({ listen: "bare" });
    const publish = { channel: "bare", turns: 3, perSecond: 1000, messagesPerTurn: 5, messageBytes: 10 };
    expect((await control.ask<{ accepted: number }>({ publish })).accepted).toBe(15);
    let messages = 0;
    while (messages < 65) ({ messages } = await control.ask<{ messages: number }>({ heard: true }));
    expect(messages).toBe(65);
  }, 30_000);
});

describe("nodes", () => {
  const subscriber = (index: number) => ({ index, format: "json" as const });
  const note = (topic: string, number: number, offset?: number, publisher = 0) => ({
    ...{ type: "message", topic, ...(offset !== undefined && { offset }) },
    data: { publisher, number, sentAtNs: 100 },
  });

  test("an audience counts by subscriber, and compares the stream's order over all of them", () => {
    const audience = new Audience("room:t", 2, 2, 50);
    for (const index of [0, 1]) audience.joined(index, 4);
    hear(audience, subscriber(0), note("room:t", 0, 5), 250);
    hear(audience, subscriber(1), note("room:t", 0, 5));
    hear(audience, subscriber(0), note("room:t", 0, 7, 1));
    hear(audience, subscriber(0), note("room:t", 0, 7, 1));
    expect(audience.counts.stream).toEqual({ received: 4, lost: 1, disordered: 1 });
    expect(audience.contradictions).toBe(0);
    hear(audience, subscriber(1), note("room:t", 1, 6));
    hear(audience, subscriber(1), note("room:t", 2, 7));
    expect(audience.contradictions).toBe(1);
    expect(audience.latency.stream.maxValue).toBeGreaterThanOrEqual(200);
  });

  test("volatile publications are in order per publisher", () => {
    const audience = new Audience("room:t", 1, 2, 0);
    for (const [number, publisher] of [
      [0, 1],
      [0, 0],
      [2, 1],
      [1, 1],
      [1, 0],
    ] as const) {
      hear(audience, subscriber(0), note("game:t", number, undefined, publisher));
    }
    expect(audience.counts.volatile).toEqual({ received: 5, lost: 1, disordered: 1 });
    hear(audience, subscriber(0), { type: "reset", topic: "room:t" });
    audience.closed();
    expect([audience.unexpected, audience.cut]).toEqual([1, 1]);
  });

  const record = (received: number, order = ["", "0:0", "1:0"]): AudienceRecord => ({
    counts: {
      stream: { received, lost: 0, disordered: 0 },
      volatile: { received: 2, lost: 0, disordered: 0 },
    },
    ...{ contradictions: 0, unexpected: 0, cut: 0, order },
    latency: { stream: encode(histogramOf(1)), volatile: encode(histogramOf(1)) },
  });
  const sound: NodesRun = {
    ...{ engines: ["bun", "uws"], redisVersion: "7", planned: 1, published: 1, joins: [], joinMs: 1 },
    plan: { nodeCounts: [2], subscribers: 4, groups: 2, ratePerSecond: 1, seconds: 1, graceMs: 1 },
    ...{ records: [record(2), record(2)], lateness: createHistogram(), nodeNs: [1e6, 1e6], redisNs: 1 },
    ...{ generatorNs: 1, foreignNs: 0, stealNs: 0, wallNs: 10e6 },
  };

  test("what is lost at the end, doubled, or in another order elsewhere is a fault", () => {
    const faults = (records: readonly AudienceRecord[]) => faultsOf({ ...sound, records });
    expect(faults(sound.records)).toBe(0);
    expect(faults([record(2), record(1)])).toBe(1);
    expect(faults([record(2), record(3)])).toBe(1);
    expect(faults([record(2), record(2, ["", "1:0", "0:0"])])).toBe(2);
    expect(faults([record(2), { ...record(2), contradictions: 1 }])).toBe(1);
  });

  test("each reason to distrust a run is told", () => {
    const names = (fault: Partial<NodesRun>, quick = false) =>
      flagsOf({ ...sound, ...fault }, { quick }).map(({ name }) => name);
    expect(names({})).toEqual([]);
    expect(names({}, true)).toEqual(["quick"]);
    expect(names({ published: 0 })).toEqual(["nothing-published", "underachieved"]);
    expect(names({ planned: 2 })).toEqual(["underachieved"]);
    expect(names({ records: [{ ...record(2), cut: 1 }] })).toEqual(["connections-cut"]);
    expect(names({ records: [{ ...record(2), unexpected: 1 }] })).toEqual(["unexpected-frames"]);
    expect(names({ generatorNs: 8.1e6 })).toEqual(["generator-busy"]);
    expect(names({ redisNs: 6.1e6 })).toEqual(["server-saturated"]);
    expect(names({ foreignNs: 1.1e6 })).toEqual(["foreign-load"]);
    expect(names({ stealNs: 0.2e6 })).toEqual(["steal"]);
  });
});

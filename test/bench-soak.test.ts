// The instruments of the benchmarks memory, churn, ticker and coalescing: a wrong ruler is worse than none.

import { describe, expect, test } from "bun:test";
import { Connection, openMany } from "../bench/client/connection.ts";
import { firstSequence } from "../bench/client/payload.ts";
import { TickerGroup } from "../bench/client/ticker-group.ts";
import { TickerReader } from "../bench/client/ticker-reader.ts";
import { TickerSource } from "../bench/client/ticker-source.ts";
import { stopAndResume } from "../bench/client/ticker-stopped.ts";
import { createHistogram } from "../bench/measure/histogram.ts";
import { parseSegments, sentSegments } from "../bench/measure/sent-segments.ts";
import { leastSquares, seededRandom } from "../bench/measure/stats.ts";
import { keptPerEvent } from "../bench/scenarios/churn-report.ts";
import { type Climb, sharesOf } from "../bench/scenarios/memory.ts";
import { slopeOf } from "../bench/scenarios/memory-report.ts";
import type { TickerWindow } from "../bench/scenarios/ticker.ts";
import { costPerSubscriber, windowFlags } from "../bench/scenarios/ticker-report.ts";
import { startProbed } from "../bench/targets/probed.ts";
import { startServer } from "../bench/targets/servers.ts";

describe("memory", () => {
  test("the slope is the line's, whatever the process weighs without connections", () => {
    const steps = [1000, 5000, 15_000].map((connections) => ({
      connections,
      memory: { rss: 90e6 + 3000 * connections, anonymous: 1, heap: 5e6 + 900 * connections, external: 0 },
    }));
    const climb: Climb = { arm: "fanwire", round: 1, steps, cut: 0 };
    expect(slopeOf(climb, "rss")).toBeCloseTo(3000, 6);
    expect(slopeOf(climb, "heap")).toBeCloseTo(900, 6);
    expect(slopeOf(climb, "anonymous")).toBe(0);
  });

  test("plain least squares weighs all points alike", () => {
    const points = [0, 1, 2, 3].map((x) => ({ x, y: 10 + 2 * x + (x === 1 || x === 2 ? 1 : -1) }));
    const { slope, intercept } = leastSquares(points);
    expect(slope).toBeCloseTo(2, 9);
    expect(intercept).toBeCloseTo(10, 9);
  });

  test("a class's share is what grew, per connection, the largest first", () => {
    const before = { Session: { count: 10, bytes: 1000 }, Map: { count: 5, bytes: 500 } };
    const after = {
      Map: { count: 5, bytes: 500 },
      Session: { count: 30, bytes: 3000 },
      Lane: { count: 20, bytes: 4000 },
    };
    expect(sharesOf(before, after, 20)).toEqual([
      { name: "Lane", countPerConnection: 1, bytesPerConnection: 200 },
      { name: "Session", countPerConnection: 1, bytesPerConnection: 100 },
      { name: "Map", countPerConnection: 0, bytesPerConnection: 0 },
    ]);
  });

  test.each(["bun", "uws"] as const)(
    "the control on %s tells of its memory and its classes",
    async (engine) => {
      const server = await startProbed("bare", engine);
      const connections = await openMany({ port: server.port, format: "json", source: "127.0.0.9" }, 20);
      const { rss, anonymous, heap } = await server.memory();
      expect(rss).toBeGreaterThan(anonymous);
      expect(anonymous).toBeGreaterThan(heap);
      expect(heap).toBeGreaterThan(100_000);
      const census = await server.census();
      const { count, bytes } = census[engine === "bun" ? "ServerWebSocket" : "uWS.WebSocket"]!;
      expect(count).toBeGreaterThanOrEqual(20);
      expect(bytes).toBeGreaterThan(0);
      for (const connection of connections) connection.cut();
      await server.stop();
    },
  );
});

describe("churn", () => {
  const random = () => seededRandom(1);
  const readings = (bytesPerEvent: number) =>
    Array.from({ length: 40 }, (_, round) => {
      const warmingUp = round < 10 ? -3e6 * (10 - round) : 0;
      return 80e6 + warmingUp + bytesPerEvent * 5000 * round + ((round * 7919) % 13) * 10_000;
    });

  test("finds what is kept per connection under the noise, and does not count the warm-up", () => {
    expect(Math.abs(keptPerEvent(readings(0), 5000, random()).mid)).toBeLessThan(2);
    const leaking = keptPerEvent(readings(100), 5000, random());
    expect(leaking.low).toBeGreaterThan(95);
    expect(leaking.high).toBeLessThan(105);
    expect(leaking.count).toBe(15);
  });
});

describe("ticker", () => {
  const silent = { format: "json", bytes: 0 } as unknown as Connection;
  const told = (...sequences: number[]) => {
    const reader = new TickerReader(silent, 3);
    for (const sequence of sequences) {
      const payload = Buffer.from(
        JSON.stringify({ type: "message", data: { seq: firstSequence + sequence } }),
      );
      reader.message(silent, payload, 0, payload.length);
    }
    return reader;
  };

  test("a reader holds each key's newest value, and tells of what it lacks and of what went backwards", () => {
    const reader = told(0, 1, 2, 4, 3, 7);
    expect([...reader.held]).toEqual([3, 7, 2]);
    expect(reader.backwards).toBe(0);
    expect(reader.olderThan(Int32Array.of(3, 7, 2))).toBe(0);
    expect(reader.olderThan(Int32Array.of(6, 7, 8))).toBe(2);
    expect(told(4, 1).backwards).toBe(1);
  });

  test("a source knows the newest number of each key", () => {
    const written: number[] = [];
    const connection = { format: "json", write: (frame: Buffer) => written.push(frame.length) };
    const source = new TickerSource(connection as unknown as Connection, "ticker:t", 10, 3);
    expect([...source.newest()]).toEqual([-1, -1, -1]);
    for (let i = 0; i < 2; i++) source.publish();
    expect([...source.newest()]).toEqual([0, 1, -1]);
    for (let i = 0; i < 5; i++) source.publish();
    expect([...source.newest()]).toEqual([6, 4, 5]);
    expect(source.publishedAt(6)).toBeGreaterThanOrEqual(source.publishedAt(5));
    expect(written.length).toBe(7);
  });

  test("over real sockets every class ends up to date, and so does a reader that had stopped", async () => {
    const server = await startServer("fanwire", "bun");
    const target = { port: server.port, format: "json", query: "?join=none" } as const;
    const source = new TickerSource(await Connection.open(target), "ticker:t", 10, 5);
    for (let i = 0; i < 7; i++) source.publish();
    const join = (rateHz: number | undefined) =>
      TickerGroup.join(target, { topic: "ticker:t", rateHz, subscribers: 2, readers: 1, keys: 5 });
    const groups = [await join(undefined), await join(20)];
    const reader = groups[0]!.readers[0]!;
    const resumed = stopAndResume(reader, source, {
      serverPort: server.port,
      stoppedMs: 50,
      frameBytes: () => 99,
    });
    for (let i = 0; i < 20; i++) source.publish();
    const { olderAfterRoundTrip, newestMs, kernelBytes, skippedBytes } = await resumed;
    expect(olderAfterRoundTrip).toBe(0);
    expect(newestMs).toBeGreaterThan(0);
    expect(kernelBytes + skippedBytes).toBeGreaterThan(0);
    const newest = source.newest();
    while (groups.some((group) => group.olderThan(newest) > 0)) await Bun.sleep(5);
    for (const group of groups) {
      expect(group.backwards).toBe(0);
      expect(group.frames).toBeGreaterThan(5);
      group.sampleAge(source, Bun.nanoseconds());
      expect(group.age.totalCount).toBe(5);
      group.leave();
    }
    await server.stop();
  });

  const window = (who: string, round: number, serverNs: number): TickerWindow => ({
    ...{ round, who, wallNs: 2e9, published: 2000, planned: 2000, serverNs, generatorNs: 1e9 },
    ...{ foreignNs: 0, stealNs: 0, chunks: 1, classes: [], ideal: createHistogram() },
  });

  test("a class costs what the server used with it, less what it used with nobody, per subscriber", () => {
    const windows = [1, 2, 3].flatMap((round) => [window("nobody", round, 1e8), window("5 Hz", round, 3e8)]);
    expect(costPerSubscriber(windows, "5 Hz", 100, { seed: 1 }).mid).toBeCloseTo(1000, 6);
  });

  test("each reason to distrust a window is told", () => {
    const sound = window("all", 1, 1e9);
    const cut = {
      rateHz: 2,
      subscribers: 1,
      frames: 0,
      bytes: 0,
      age: createHistogram(),
      stale: 0,
      backwards: 0,
      cut: 1,
    };
    const names = (fault: Partial<TickerWindow>) =>
      windowFlags({ ...sound, ...fault }).map(({ name }) => name);
    expect(names({})).toEqual([]);
    expect(names({ classes: [cut] })).toEqual(["connections-cut"]);
    expect(names({ published: 1979 })).toEqual(["underachieved"]);
    expect(names({ generatorNs: 1.7e9 })).toEqual(["generator-busy"]);
    expect(names({ serverNs: 1.7e9 })).toEqual(["server-saturated"]);
    expect(names({ foreignNs: 0.3e9 })).toEqual(["foreign-load"]);
    expect(names({ stealNs: 0.03e9 })).toEqual(["steal"]);
  });
});

describe("coalescing", () => {
  test("segments are summed over the connections asked for, and no others", () => {
    const text = [
      "0 0 127.0.0.1:9001 127.0.0.1:40001 ino:1 sk:1",
      "\t cubic data_segs_out:7 data_segs_in:3",
      "0 0 127.0.0.1:9001 127.0.0.1:40002 ino:2 sk:2",
      "\t cubic data_segs_out:100 data_segs_in:3",
      "0 0 [::ffff:127.0.0.1]:9001 [::ffff:127.0.0.1]:40003 ino:3 sk:3",
      "\t cubic segs_out:9 data_segs_out:5",
      "",
    ].join("\n");
    expect(parseSegments(text, new Set([40_001, 40_003]))).toBe(12);
  });

  test("a server's writes to one connection are seen", async () => {
    const server = await startServer("bare", "bun");
    const target = { port: server.port, format: "json", query: "?topics=t" } as const;
    const subscriber = await Connection.open(target);
    const publisher = await Connection.open({ ...target, query: "?publish=t&ring=1" });
    const ports = new Set([subscriber.localPort]);
    const before = sentSegments(server.port, ports)!;
    publisher.write(frame("x"));
    for (let i = 0; i < 10; i++) {
      const arrived = new Promise<void>((resolve) => {
        subscriber.listener = { message: () => resolve() };
      });
      publisher.write(frame("x"));
      await arrived;
    }
    expect(sentSegments(server.port, ports)! - before).toBe(10);
    for (const connection of [subscriber, publisher]) connection.cut();
    await server.stop();
  });

  const frame = (text: string) =>
    Buffer.concat([Buffer.of(0x81, 0x80 | text.length, 0, 0, 0, 0), Buffer.from(text)]);
});

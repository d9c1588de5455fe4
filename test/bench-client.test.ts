// The benchmark's load generator: its frames, its account of deliveries, its slow readers.

import { describe, expect, test } from "bun:test";
import { Connection, openMany } from "../bench/client/connection.ts";
import { Deliveries } from "../bench/client/deliveries.ts";
import { EventConnection } from "../bench/client/event-connection.ts";
import { maskedFrame, opcode, scanFrames } from "../bench/client/frames.ts";
import { openLivedIn } from "../bench/client/lived-in.ts";
import { decodeFrame, firstSequence, PublishFrames, SequencePlace } from "../bench/client/payload.ts";
import { startSlowReaders } from "../bench/client/slow-process.ts";
import { SlowReader } from "../bench/client/slow-reader.ts";
import { measureWindow } from "../bench/client/window.ts";
import { jitteredSchedule } from "../bench/measure/schedule.ts";
import { startServer } from "../bench/targets/servers.ts";

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

describe("slow readers in a process of their own", () => {
  test("join, read, and tell what became of each", async () => {
    const server = await startServer("fanwire", "bun");
    const target = { port: server.port, format: "json" } as const;
    const readers = await startSlowReaders({
      target,
      topic: "room:slow",
      perKind: 1,
      ratePerSecond: 100,
      textBytes: 36,
      stopMs: 0,
      resumeMs: [1, 1],
      finishMs: 10_000,
    });
    readers.start();
    const publisher = await Connection.open(target);
    const frames = new PublishFrames("json", "room:slow", 36);
    for (let i = 0; i < 20; i++) publisher.write(frames.at(i));
    const records = await readers.finish(20);
    publisher.close();
    await server.stop();
    expect(records.map(({ kind, outcome, silent }) => ({ kind, outcome, silent }))).toEqual(
      (["stopped", "trickling", "stalling"] as const).map((kind) => ({
        kind,
        outcome: "complete",
        silent: 0,
      })),
    );
  });
});

describe("subscribers of a server that has lived", () => {
  test("are every third of those that joined, numbered anew, and the others are gone", async () => {
    const server = await startServer("bare", "bun");
    let joined: readonly Connection[] = [];
    const target = { port: server.port, format: "json", query: "?topics=t" } as const;
    const left = await openLivedIn(20, async (count) => {
      joined = await openMany(target, count);
      return joined as Connection[];
    });
    expect(joined.length).toBe(60);
    expect(left.map((connection) => connection.index)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(joined.filter((connection) => !left.includes(connection)).every((one) => one.isClosed)).toBe(true);
    expect(left.some((connection) => connection.isClosed)).toBe(false);
    for (const connection of left) connection.close();
    await server.stop();
  });
});

describe("a window", () => {
  test.each(["bun", "uws"] as const)(
    "over event streams of a node on %s counts every delivery",
    async (engine) => {
      const server = await startServer("fanwire", engine);
      const open = (index: number) => EventConnection.open(server.port, ["room:a", "game:a"], index);
      const subscribers = await Promise.all([0, 1, 2, 3, 4].map(open));
      const publisher = await Connection.open({ port: server.port, format: "json", query: "?join=none" });
      for (const topic of ["room:a", "game:a"]) {
        const { facts, publications, frameBytes } = await measureWindow({
          serverPid: server.pid,
          publisher,
          subscribers,
          frames: new PublishFrames("json", topic, 36),
          schedule: jitteredSchedule({ ratePerSecond: 200, durationMs: 100, seed: 1 }),
          durationMs: 100,
        });
        expect(publications).toBe(20);
        expect(facts).toMatchObject({
          expected: 100,
          received: 100,
          lost: 0,
          disordered: 0,
          unexpectedFrames: 0,
        });
        expect(frameBytes).toBeGreaterThan(150);
      }
      for (const subscriber of subscribers) subscriber.close();
      await server.stop();
      await expect(EventConnection.open(server.port, ["room:a"], 0)).rejects.toThrow();
    },
  );

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

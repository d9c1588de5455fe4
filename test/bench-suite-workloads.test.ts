// What the suite publishes: the shapes' schedules and members, and payloads that are found and read without parsing.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { seededRandom } from "../bench/measure/stats.ts";
import {
  indexAt,
  leastPayloadBytes,
  manyAFrame,
  oneAFrame,
  payloadMark,
  payloadOf,
  sentAfterAt,
  stampPayload,
} from "../bench/suite/protocol.ts";
import { createProtocol, protocolNames } from "../bench/suite/protocols/all.ts";
import { expectedDeliveries } from "../bench/suite/workload.ts";
import { createWorkload, workloadKinds } from "../bench/suite/workloads/all.ts";
import { zipf } from "../bench/suite/workloads/drawing.ts";
import { specs } from "./support/workload-specs.ts";

describe("a workload", () => {
  test("of every kind has a case here", () => {
    expect(Object.keys(specs).sort()).toEqual([...workloadKinds].sort());
  });

  test.each(Object.keys(specs))(
    "%s is the same for the same seed, in any process, and another for another",
    (kind) => {
      const [one, other] = [createWorkload(specs[kind]!), createWorkload(specs[kind]!)];
      expect(one.schedule(7, 200, 1000)).toEqual(other.schedule(7, 200, 1000));
      expect(one.schedule(8, 200, 1000)).not.toEqual(one.schedule(7, 200, 1000));
    },
  );

  test.each(Object.keys(specs))("%s keeps its times in order, its length and its topics", (kind) => {
    const workload = createWorkload(specs[kind]!);
    const seeds = fc.integer({ min: 1, max: 1e9 });
    fc.assert(
      fc.property(seeds, fc.integer({ min: 50, max: 900 }), (seed, rate) => {
        const { atMs, topic, publisher, bytes } = workload.schedule(seed, rate, 2000);
        expect([...atMs]).toEqual([...atMs].sort((left, right) => left - right));
        expect(Math.min(...atMs)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...atMs)).toBeLessThan(2000);
        expect(Math.max(...topic)).toBeLessThan(workload.topics);
        expect(Math.max(...publisher)).toBeLessThan(workload.publishers);
        expect(Math.min(...bytes)).toBeGreaterThanOrEqual(leastPayloadBytes);
        // A game has the rate of its rules, a process of chance about the one it was asked for.
        const wanted = kind === "game" ? 2 * 3 * 4 * 20 : ((2 * rate) as number);
        expect(Math.abs(topic.length - wanted)).toBeLessThan(6 * Math.sqrt(wanted) + 8);
      }),
      { numRuns: 25, seed: 1 },
    );
  });

  test.each(Object.keys(specs))("%s expects as many deliveries as its members add up to", (kind) => {
    const workload = createWorkload(specs[kind]!);
    const schedule = workload.schedule(1, 200, 500);
    let expected = 0;
    for (const topic of schedule.topic) {
      for (let connection = 0; connection < workload.connections; connection++) {
        if (workload.members(connection).includes(topic)) expected++;
      }
    }
    expect(expectedDeliveries(workload, schedule)).toBe(expected);
    expect(expected).toBeGreaterThan(0);
  });

  test("has one publisher per room and instrument, so that everybody knows its order", () => {
    for (const kind of ["rooms", "trading"]) {
      const { topic, publisher } = createWorkload(specs[kind]!).schedule(3, 500, 1000);
      const senders = new Map<number, Set<number>>();
      topic.forEach((one, i) => {
        senders.set(one, (senders.get(one) ?? new Set()).add(publisher[i]!));
      });
      for (const set of senders.values()) expect(set.size).toBe(1);
    }
  });

  test("of bursts keeps half a period between two of them", () => {
    const { atMs } = createWorkload(specs.fanout!).schedule(5, 400, 1000);
    const moments = [...new Set(atMs)];
    expect(moments.length).toBe(100);
    expect(atMs.length).toBe(400);
    const gaps = moments.slice(1).map((at, i) => at - moments[i]!);
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(5 - 1e-6);
  });

  test("draws by Zipf's law: rank r as often as 1/r", () => {
    const draw = zipf(50, 1);
    const random = seededRandom(11);
    const counts = new Array<number>(50).fill(0);
    for (let i = 0; i < 200_000; i++) counts[draw(random())]!++;
    for (const rank of [2, 4, 8]) {
      expect(counts[0]! / counts[rank - 1]!).toBeGreaterThan(0.9 * rank);
      expect(counts[0]! / counts[rank - 1]!).toBeLessThan(1.1 * rank);
    }
  });

  test("of trading ends with its run, also where that is no whole number of bursts and calms", () => {
    for (const durationMs of [100, 250, 750, 1900]) {
      const { atMs } = createWorkload(specs.trading!).schedule(2, 1000, durationMs);
      expect(Math.max(...atMs)).toBeLessThan(durationMs);
    }
  });

  test("of trading has half of its traffic in a tenth of the time", () => {
    const { atMs } = createWorkload(specs.trading!).schedule(2, 2000, 5000);
    const inBurst = [...atMs].filter((at) => at % 500 < 50).length;
    expect(inBurst / atMs.length).toBeGreaterThan(0.47);
    expect(inBurst / atMs.length).toBeLessThan(0.53);
  });
});

describe("a payload", () => {
  test("gives back what was stamped on it, and keeps its length", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: leastPayloadBytes, max: 400 }),
        fc.integer({ min: 0, max: 999_999_999 }),
        fc.integer({ min: 0, max: 999_999_999_999 }),
        (bytes, index, sentAfterNs) => {
          const buffer = Buffer.from(`{"data":"${payloadOf(bytes)}"}`);
          const at = buffer.indexOf(payloadMark);
          stampPayload(buffer, at, index, sentAfterNs);
          expect(indexAt(buffer, at)).toBe(index);
          expect(sentAfterAt(buffer, at)).toBe(sentAfterNs);
          expect(JSON.parse(buffer.toString()).data.length).toBe(bytes);
        },
      ),
      { seed: 1 },
    );
  });

  test("is found once in a frame of one, and as often as it is there in a frame of many", () => {
    const found: number[] = [];
    const sink = { delivery: (buffer: Buffer, at: number) => void found.push(indexAt(buffer, at)) };
    const payloads = [1, 2, 3].map((index) => {
      const buffer = Buffer.from(payloadOf(30));
      stampPayload(buffer, 0, index, 0);
      return buffer.toString();
    });
    const frame = Buffer.from(`....{"a":"${payloads.join('"},{"a":"')}"}....`);
    expect(manyAFrame()(frame, 4, frame.length - 4, sink)).toBe(3);
    expect(found).toEqual([1, 2, 3]);
    const one = oneAFrame();
    for (const head of ["..", "....", ".."]) {
      const single = Buffer.from(`${head}${payloads[1]}`);
      expect(one(single, 0, single.length, sink)).toBe(1);
    }
    expect(found).toEqual([1, 2, 3, 2, 2, 2]);
    expect(one(Buffer.from("nothing here"), 0, 12, sink)).toBe(0);
    // Beyond the frame's end is the next one's.
    expect(manyAFrame()(frame, 0, 8, sink)).toBe(0);
  });

  test.each([...protocolNames])(
    "stands verbatim in what %s publishes, of the same length for every topic",
    (name) => {
      const protocol = createProtocol(name, "volatile");
      const payload = payloadOf(100);
      const frames = [0, 7, 12].map((topic) => protocol.publication(topic, payload));
      for (const frame of frames) expect(frame.includes(payload)).toBe(true);
      expect(new Set(frames.map(({ length }) => length)).size).toBe(1);
    },
  );
});

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { AcceptedKeys } from "../src/bridge/accepted-keys.ts";
import type { BridgeEvents } from "../src/bridge/bridge.ts";
import { LocalBridge, type LocalBridgeOptions } from "../src/bridge/local.ts";
import { StoredHistory } from "../src/bridge/stored-history.ts";
import { idempotencyTtlMs, presenceGraceMs, retentionOf, testBridge } from "./contract/bridge.ts";

const deaf: BridgeEvents = {
  joined: () => undefined,
  deliver: () => undefined,
  reset: () => undefined,
  relayed: () => undefined,
  disconnect: () => undefined,
  came: () => undefined,
  went: () => undefined,
  alive: () => undefined,
};

function createLocal(overrides: Partial<LocalBridgeOptions> = {}) {
  const clock = { now: 1_000_000 };
  let epochs = 0;
  const bridge = new LocalBridge({
    retention: (topic) => retentionOf(topic),
    maxStoredTopics: 100,
    maxStoredBytes: 1_000_000,
    idempotencyTtlMs,
    maxIdempotencyKeys: 100,
    presenceGraceMs,
    now: () => clock.now,
    newEpoch: () => `epoch-${++epochs}`,
    ...overrides,
  });
  return { bridge, clock };
}

testBridge("in memory", async () => {
  const { bridge, clock } = createLocal();
  return {
    bridge,
    wait: async (ms) => {
      clock.now += ms;
      bridge.sweep();
    },
    end: () => bridge.close(),
  };
});

describe("the store of a single node", () => {
  const publication = { data: 1, timestamp: 1_000_000 };

  test("forgets the longest unused topics above its bound, and not those that somebody listens to", async () => {
    const { bridge, clock } = createLocal({ maxStoredTopics: 20 });
    await bridge.start(deaf);
    await bridge.join("room:0");
    const first = await bridge.publish("room:0", publication);
    const second = await bridge.publish("room:1", publication);
    for (let topic = 2; topic <= 20; topic++) {
      clock.now += 1;
      await bridge.publish(`room:${topic}`, publication);
    }
    expect(await bridge.publish("room:0", publication)).toEqual({ epoch: first.epoch, offset: 2 });
    const again = await bridge.publish("room:1", publication);
    expect(again.offset).toBe(1);
    expect(again.epoch).not.toBe(second.epoch);
    await bridge.close();
  });

  test("keeps a position for an hour after the last use, and longer while somebody listens", async () => {
    const { bridge, clock } = createLocal();
    await bridge.start(deaf);
    const kept = await bridge.publish("room:1", publication);
    await bridge.join("room:2");
    const joined = await bridge.history("room:2", 0, 9);
    clock.now += 3_599_999;
    bridge.sweep();
    expect((await bridge.history("room:1", 0, 9)).epoch).toBe(kept.epoch);
    clock.now += 3_600_000;
    bridge.sweep();
    expect((await bridge.history("room:1", 0, 9)).epoch).not.toBe(kept.epoch);
    expect((await bridge.history("room:2", 0, 9)).epoch).toBe(joined.epoch);
    await bridge.close();
  });

  test("keeps a position as long as an idempotency key of the topic", async () => {
    const { bridge, clock } = createLocal({ idempotencyTtlMs: 7_200_000 });
    await bridge.start(deaf);
    const first = await bridge.publish("room:1", publication, "key");
    clock.now += 7_199_999;
    bridge.sweep();
    expect(await bridge.publish("room:1", publication, "key")).toEqual(first);
    clock.now += 7_200_000;
    bridge.sweep();
    expect((await bridge.publish("room:1", publication, "key")).epoch).not.toBe(first.epoch);
    await bridge.close();
  });

  test("has no place for a topic above its bound while somebody listens to each, and one when it was left", async () => {
    const { bridge } = createLocal({ maxStoredTopics: 20 });
    await bridge.start(deaf);
    for (let topic = 1; topic <= 20; topic++) await bridge.join(`room:${topic}`);
    expect(bridge.join("room:21")).rejects.toMatchObject({ code: "unavailable" });
    expect(() => bridge.publish("room:21", publication)).toThrow(
      expect.objectContaining({ code: "unavailable" }),
    );
    await bridge.join("game:1");
    bridge.leave("room:7");
    await bridge.join("room:21");
    await bridge.close();
  });

  test("finds a place for each new topic among a hundred thousand without looking at them all", async () => {
    const { bridge } = createLocal({ maxStoredTopics: 100_000 });
    await bridge.start(deaf);
    for (let topic = 0; topic < 99_990; topic++) await bridge.join(`room:${topic}`);
    const started = performance.now();
    for (let topic = 0; topic < 2000; topic++)
      await bridge.publish(`ticker:${topic}`, { ...publication, key: "a" });
    // To look at all of them each time took 16 ms each.
    expect(performance.now() - started).toBeLessThan(2000);
    await bridge.close();
  });

  test("stores nothing of a topic that was only asked for, or is volatile", async () => {
    const { bridge } = createLocal({ maxStoredTopics: 20 });
    await bridge.start(deaf);
    const kept = await bridge.publish("room:0", publication);
    for (let topic = 1; topic <= 50; topic++) {
      expect((await bridge.history(`room:${topic}`, undefined, 9)).publications).toEqual([]);
      await bridge.join(`game:${topic}`);
    }
    expect(await bridge.history("room:0", 0, 9)).toMatchObject({ ...kept, publications: [{ offset: 1 }] });
    await bridge.close();
  });

  const large = () => ({ data: "x".repeat(10_000), timestamp: 1_000_000 });

  async function offsetsOf(bridge: LocalBridge, topic: string): Promise<number[]> {
    const { publications } = await bridge.history(topic, 0, 1000);
    return publications.map(({ offset }) => offset);
  }

  test("above its memory the longest unused topics lose what they keep, but a stream not its position", async () => {
    const { bridge, clock } = createLocal({ maxStoredBytes: 102_000 });
    await bridge.start(deaf);
    const unused = await bridge.publish("ticker:1", { ...large(), key: "a" });
    const first = await bridge.publish("room:1", large());
    for (let topic = 2; topic <= 9; topic++) await bridge.publish(`room:${topic}`, large());
    // Within a second of a topic's use another one changes nothing.
    clock.now += 1000;
    expect(await offsetsOf(bridge, "room:1")).toEqual([1]);
    await bridge.publish("room:9", large());
    await bridge.publish("room:9", large());
    expect(await offsetsOf(bridge, "room:1")).toEqual([1]);
    expect(await offsetsOf(bridge, "room:2")).toEqual([]);
    expect(await bridge.publish("room:2", large())).toEqual({ epoch: first.epoch, offset: 2 });
    expect(await offsetsOf(bridge, "room:9")).toEqual([1, 2, 3]);
    expect((await bridge.publish("ticker:1", { ...large(), key: "a" })).epoch).not.toBe(unused.epoch);
    await bridge.close();
  });

  test("does not forget values that somebody listens to: what has no memory left is refused", async () => {
    const { bridge, clock } = createLocal({ maxStoredBytes: 35_000 });
    await bridge.start(deaf);
    await bridge.join("ticker:1");
    for (const key of ["a", "b", "c"]) await bridge.publish("ticker:1", { ...large(), key });
    const more = () => bridge.publish("ticker:2", { ...large(), key: "d" });
    expect(more).toThrow(expect.objectContaining({ code: "unavailable" }));
    bridge.leave("ticker:1");
    clock.now += 1000;
    expect((await more()).offset).toBe(1);
    await bridge.close();
  });

  test("charges idempotency keys, and forgets those of the longest unused topics where no history is left to go", async () => {
    const { bridge } = createLocal({ maxStoredBytes: 10_000, maxIdempotencyKeys: 1000 });
    await bridge.start(deaf);
    const publish = (topic: string, key: string) => bridge.publish(topic, { data: 0, timestamp: 0 }, key);
    const first = await publish("room:0", "key");
    for (let topic = 1; topic <= 9; topic++) await publish(`room:${topic}`, "key");
    expect(await publish("room:0", "key")).toEqual(first);
    const count = 100;
    for (let nth = 1; nth <= count; nth++) await publish(`room:${nth % 10}`, `key-${nth}`);
    expect((await publish(`room:${count % 10}`, `key-${count}`)).offset).toBe(count / 10 + 1);
    expect((await publish("room:1", "key")).offset).toBe(count / 10 + 2);
    await bridge.close();
  });

  test("gives the memory of a forgotten idempotency key back", () => {
    const keys = new AcceptedKeys();
    const position = { epoch: "e", offset: 1 };
    keys.add("a", position, 10, 2);
    const one = keys.bytes;
    keys.add("a", position, 20, 2);
    expect(keys.bytes).toBe(one);
    keys.add("b", position, 30, 2);
    keys.add("c", position, 40, 2);
    expect(keys.bytes).toBe(2 * one);
    keys.expire(30);
    expect(keys.bytes).toBe(one);
    keys.expire(40);
    expect(keys.bytes).toBe(0);
  });

  test("refuses a publication whose idempotency key has no room beside values that somebody listens to", async () => {
    const { bridge } = createLocal({ maxStoredBytes: 10_700 });
    await bridge.start(deaf);
    await bridge.join("ticker:1");
    await bridge.publish("ticker:1", { ...large(), key: "a" });
    const small = { data: 0, timestamp: 0, key: "b" };
    expect(() => bridge.publish("ticker:1", small, "x".repeat(128))).toThrow(
      expect.objectContaining({ code: "unavailable" }),
    );
    expect((await bridge.publish("ticker:1", small)).offset).toBe(2);
    await bridge.close();
  });

  test("charges what values take in memory, not what they take in a frame", async () => {
    const { bridge } = createLocal({
      retention: () => ({ mode: "stream", history: { size: 1000, ttlMs: 60_000, maxBytes: 100_000 } }),
    });
    await bridge.start(deaf);
    const data = Array.from({ length: 1000 }, () => ({}));
    for (let count = 0; count < 3; count++) await bridge.publish("room:1", { data, timestamp: 1_000_000 });
    expect(await offsetsOf(bridge, "room:1")).toEqual([3]);
    await bridge.close();
  });

  test("remembers a bounded number of idempotency keys per topic", async () => {
    const { bridge } = createLocal({ maxIdempotencyKeys: 2 });
    await bridge.start(deaf);
    for (const key of ["a", "b", "c"]) await bridge.publish("room:1", publication, key);
    expect((await bridge.publish("room:1", publication, "c")).offset).toBe(3);
    expect((await bridge.publish("room:1", publication, "a")).offset).toBe(4);
    await bridge.close();
  });
});

test("a stored topic keeps exactly the newest that are young enough, whatever happens when", () => {
  const steps = fc.array(
    fc.record({ wait: fc.nat(30), publish: fc.boolean(), bytes: fc.integer({ min: 1, max: 30 }) }),
    {
      maxLength: 400,
      size: "max",
    },
  );
  const rules = fc.record({
    size: fc.integer({ min: 1, max: 90 }),
    ttlMs: fc.integer({ min: 1, max: 900 }),
    maxBytes: fc.integer({ min: 1, max: 900 }),
  });
  fc.assert(
    fc.property(steps, rules, fc.nat(100), fc.integer({ min: 1, max: 50 }), (events, rule, after, limit) => {
      const stored = new StoredHistory("e", rule);
      const all: { offset: number; timestamp: number; bytes: number }[] = [];
      let now = 0;
      for (const { wait, publish, bytes } of events) {
        now += wait;
        if (publish) all.push({ ...stored.append({ data: 0, timestamp: now }, now, bytes), bytes });
        else stored.expire(now);
      }
      stored.expire(now);
      const kept = all.slice(-rule.size).filter(({ timestamp }) => timestamp + rule.ttlMs > now);
      const sum = () => kept.reduce((total, { bytes }) => total + bytes, 0);
      while (sum() > rule.maxBytes) kept.shift();
      expect(stored.bytes).toBe(sum());
      const ofPage = (page: { publications: readonly { offset: number }[] }) =>
        page.publications.map(({ offset }) => offset);
      const offsets = kept.map(({ offset }) => offset);
      expect(ofPage(stored.page(0, 1000))).toEqual(offsets);
      expect(ofPage(stored.page(after, limit))).toEqual(
        offsets.filter((offset) => offset > after).slice(0, limit),
      );
      expect(ofPage(stored.page(undefined, limit))).toEqual(offsets.slice(-limit));
      expect(stored.position.offset).toBe(all.length);
    }),
  );
});

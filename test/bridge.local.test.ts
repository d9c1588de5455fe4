import { describe, expect, test } from "bun:test";
import fc from "fast-check";
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
  const steps = fc.array(fc.record({ wait: fc.nat(30), publish: fc.boolean() }), {
    maxLength: 400,
    size: "max",
  });
  const rules = fc.record({ size: fc.integer({ min: 1, max: 90 }), ttlMs: fc.integer({ min: 1, max: 900 }) });
  fc.assert(
    fc.property(steps, rules, fc.nat(100), fc.integer({ min: 1, max: 50 }), (events, rule, after, limit) => {
      const stored = new StoredHistory("e", rule);
      const all: { offset: number; timestamp: number }[] = [];
      let now = 0;
      for (const { wait, publish } of events) {
        now += wait;
        if (publish) all.push(stored.append({ data: 0, timestamp: now }, now));
        else stored.expire(now);
      }
      stored.expire(now);
      const kept = all.slice(-rule.size).filter(({ timestamp }) => timestamp + rule.ttlMs > now);
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

// The contract of src/bridge/bridge.ts as a suite that every bridge passes.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type {
  Bridge,
  BridgeEvents,
  Position,
  PositionedPublication,
  Publication,
  Retention,
} from "../../src/bridge/bridge.ts";
import type { TopicUser } from "../../src/bridge/presence.ts";
import { testPresence } from "./bridge-presence.ts";

/** A bridge under test: history of `historySize` publications and `historyTtlMs`, and a clock that `wait` moves. */
export interface BridgeUnderTest {
  readonly bridge: Bridge;
  wait(ms: number): Promise<void>;
  end(): Promise<void>;
}

export const historySize = 5;
export const historyTtlMs = 60_000;
export const historyMaxBytes = 100_000;
export const idempotencyTtlMs = 10_000;
export const maxKeys = 4;
export const removalTtlMs = 60_000;
export const presenceGraceMs = 5000;

/** How the namespaces of the suite keep what they are given. */
export function retentionOf(topic: string): Retention {
  if (topic.startsWith("room:"))
    return { mode: "stream", history: { size: historySize, ttlMs: historyTtlMs, maxBytes: historyMaxBytes } };
  if (topic.startsWith("ticker:")) return { mode: "latest", keyed: { maxKeys, removalTtlMs } };
  return { mode: "volatile" };
}

/** What a node sees of its bridge, as lines in order. */
export class Node implements BridgeEvents {
  readonly seen: string[] = [];
  readonly positions: Position[] = [];
  /** What the last topic joined had, where it is of mode `latest`. */
  values: readonly string[] | undefined = undefined;
  forgottenOffset: number | undefined = undefined;
  isAlive = false;

  joined(
    topic: string,
    position: Position,
    values?: readonly PositionedPublication[],
    forgottenOffset?: number,
  ): void {
    this.forgottenOffset = forgottenOffset;
    this.seen.push(`${topic} joined at ${position.offset}`);
    this.positions.push(position);
    this.values = values?.map(
      ({ key, data, removed, offset }) => `${key} ${removed ? "removed" : data} ${offset}`,
    );
  }

  deliver(topic: string, publications: readonly { readonly offset: number; readonly data: unknown }[]): void {
    for (const { offset, data } of publications) this.seen.push(`${topic} ${offset} ${data}`);
  }

  reset(topic: string, position: Position): void {
    this.seen.push(`${topic} reset ${position.offset}`);
  }

  relayed(topic: string, publication: Publication): void {
    this.seen.push(`${topic} relayed ${publication.data}`);
  }

  disconnect(userId: string, reason: string | undefined): void {
    this.seen.push(`disconnect ${userId}: ${reason}`);
  }

  came(topic: string, { userId, info }: TopicUser, count: number): void {
    this.seen.push(`${topic} came ${userId} ${JSON.stringify(info)} of ${count}`);
  }

  went(topic: string, { userId, info }: TopicUser, count: number): void {
    this.seen.push(`${topic} went ${userId} ${JSON.stringify(info)} of ${count}`);
  }

  alive(alive: boolean): void {
    this.isAlive = alive;
  }
}

export function testBridge(name: string, create: () => Promise<BridgeUnderTest>): void {
  describe(`the bridge ${name}`, () => {
    testPresence(create);

    let under: BridgeUnderTest;
    let bridge: Bridge;
    let node: Node;
    let now = 1_000_000;
    const publication = (data: unknown): Publication => ({ data, timestamp: now });

    beforeEach(async () => {
      now = 1_000_000;
      under = await create();
      bridge = under.bridge;
      node = new Node();
      await bridge.start(node);
    });
    afterEach(() => under.end());

    async function wait(ms: number): Promise<void> {
      now += ms;
      await under.wait(ms);
    }

    test("is alive once it has started", () => {
      expect(node.isAlive).toBe(true);
    });

    test("listens from the moment it says so, also to what is published before the join has resolved", async () => {
      const joining = bridge.join("room:1");
      const publishing = Promise.resolve().then(() => bridge.publish("room:1", publication("early")));
      await Promise.all([joining, publishing]);
      const begins = node.seen.indexOf("room:1 joined at 0");
      if (begins >= 0) expect(node.seen[begins + 1]).toBe("room:1 1 early");
      else expect(node.seen).toEqual(["room:1 joined at 1"]);
    });

    test("delivers from the position it was joined at, in the order of the calls, before the publish resolves", async () => {
      await bridge.publish("room:1", publication("a"));
      await bridge.join("room:1");
      const calls = ["b", "c", "d"].map((data) => bridge.publish("room:1", publication(data)));
      const last = await calls[2]!;
      expect(node.seen).toEqual(["room:1 joined at 1", "room:1 2 b", "room:1 3 c", "room:1 4 d"]);
      expect(last).toEqual({ epoch: node.positions[0]!.epoch, offset: 4 });
    });

    test("delivers nothing of topics that were not joined, or were left", async () => {
      await bridge.join("room:1");
      await bridge.publish("room:2", publication("other"));
      bridge.leave("room:1");
      await bridge.publish("room:1", publication("late"));
      expect(node.seen).toEqual(["room:1 joined at 0"]);
    });

    test("continues a topic that is joined again where it stands", async () => {
      await bridge.join("room:1");
      bridge.leave("room:1");
      await bridge.publish("room:1", publication("missed"));
      await bridge.join("room:1");
      await bridge.publish("room:1", publication("seen"));
      expect(node.seen).toEqual(["room:1 joined at 0", "room:1 joined at 1", "room:1 2 seen"]);
      expect(node.positions[1]!.epoch).toBe(node.positions[0]!.epoch);
    });

    test("makes one publication of an idempotency key, and answers its position each time", async () => {
      await bridge.join("room:1");
      const first = bridge.publish("room:1", publication("once"), "key");
      const doubled = bridge.publish("room:1", publication("once"), "key");
      expect(await doubled).toEqual(await first);
      await bridge.publish("room:1", publication("other"), "other");
      expect(await bridge.publish("room:1", publication("once"), "key")).toEqual(await first);
      expect(node.seen).toEqual(["room:1 joined at 0", "room:1 1 once", "room:1 2 other"]);
    });

    test("keeps idempotency keys apart by topic, and for their time only", async () => {
      await bridge.publish("room:1", publication("a"), "key");
      expect((await bridge.publish("room:2", publication("b"), "key")).offset).toBe(1);
      await wait(idempotencyTtlMs - 1);
      expect((await bridge.publish("room:1", publication("a"), "key")).offset).toBe(1);
      await wait(1);
      expect((await bridge.publish("room:1", publication("a"), "key")).offset).toBe(2);
    });

    async function offsets(after: number | undefined, limit: number): Promise<number[]> {
      const page = await bridge.history("room:1", after, limit);
      return page.publications.map(({ offset }) => offset);
    }

    test("gives history after an offset, or the newest, oldest first", async () => {
      for (const data of [1, 2, 3, 4]) await bridge.publish("room:1", publication(data));
      expect(await offsets(1, 2)).toEqual([2, 3]);
      expect(await offsets(3, 9)).toEqual([4]);
      expect(await offsets(4, 9)).toEqual([]);
      expect(await offsets(99, 9)).toEqual([]);
      expect(await offsets(undefined, 3)).toEqual([2, 3, 4]);
      expect(await offsets(undefined, 9)).toEqual([1, 2, 3, 4]);
    });

    test("keeps of history what size and age allow, and the position beyond both", async () => {
      for (let count = 1; count <= historySize + 2; count++)
        await bridge.publish("room:1", publication(count));
      expect(await offsets(0, 99)).toEqual([3, 4, 5, 6, 7]);
      await wait(historyTtlMs - 1);
      await bridge.publish("room:1", publication(8));
      expect(await offsets(0, 99)).toEqual([4, 5, 6, 7, 8]);
      await wait(1);
      expect(await offsets(0, 99)).toEqual([8]);
      await wait(historyTtlMs);
      const page = await bridge.history("room:1", 0, 99);
      expect(page.publications).toEqual([]);
      expect(page.offset).toBe(8);
    });

    test("keeps of history what its memory allows", async () => {
      const large = "x".repeat(historyMaxBytes * 0.4);
      for (let count = 0; count < 3; count++) await bridge.publish("room:1", publication(large));
      expect(await offsets(0, 99)).toEqual([2, 3]);
      await bridge.publish("room:1", publication("x".repeat(historyMaxBytes)));
      expect(await offsets(0, 99)).toEqual([]);
      expect((await bridge.publish("room:1", publication(1))).offset).toBe(5);
      expect(await offsets(0, 99)).toEqual([5]);
    });

    test("gives back what it was given", async () => {
      const whole = { data: { a: [1, null] }, timestamp: now, event: "e", userId: "u" };
      await bridge.publish("room:1", whole);
      const page = await bridge.history("room:1", 0, 1);
      expect(page.publications).toEqual([{ ...whole, offset: 1 }]);
    });

    const value = (key: string, data: unknown): Publication => ({ data, timestamp: now, key });
    const removal = (key: string): Publication => ({ data: null, timestamp: now, key, removed: true });

    test("keeps the newest value of each key, in the order of offsets, and says so when the topic is joined", async () => {
      for (const [key, data] of [
        ["a", 1],
        ["b", 2],
        ["a", 3],
      ] as const) {
        await bridge.publish("ticker:1", value(key, data));
      }
      await bridge.publish("ticker:1", removal("b"));
      await bridge.join("ticker:1");
      await bridge.publish("ticker:1", value("b", 5));
      expect(node.values).toEqual(["a 3 3", "b removed 4"]);
      expect(node.seen).toEqual(["ticker:1 joined at 4", "ticker:1 5 5"]);
    });

    test("refuses one key too many, and takes it once another was removed", async () => {
      for (let key = 0; key < maxKeys; key++) await bridge.publish("ticker:1", value(`k${key}`, key));
      const refused = Promise.resolve().then(() => bridge.publish("ticker:1", value("more", 1)));
      expect(refused).rejects.toMatchObject({ code: "too-many" });
      await bridge.publish("ticker:1", value("k0", 9));
      await bridge.publish("ticker:1", removal("k1"));
      const last = await bridge.publish("ticker:1", value("more", 1));
      expect(last.offset).toBe(maxKeys + 3);
    });

    test("remembers for a while that keys were removed, and no more of them than a topic may have keys", async () => {
      for (let key = 0; key < maxKeys + 1; key++) await bridge.publish("ticker:1", removal(`k${key}`));
      await bridge.join("ticker:1");
      expect(node.values).toEqual([2, 3, 4, 5].map((offset) => `k${offset - 1} removed ${offset}`));
      expect(node.forgottenOffset).toBe(1);
      bridge.leave("ticker:1");
      await wait(removalTtlMs);
      await bridge.join("ticker:1");
      expect(node.values).toEqual([]);
      expect(node.forgottenOffset).toBe(maxKeys + 1);
      bridge.leave("ticker:1");
      await bridge.publish("ticker:1", value("a", 1));
      await bridge.join("ticker:1");
      expect(node.values).toEqual(["a 1 6"]);
      expect(node.forgottenOffset).toBe(maxKeys + 1);
    });

    test("has the node disconnect a user, once and before the call resolves", async () => {
      await bridge.disconnect("ann", "banned");
      await bridge.disconnect("bob", undefined);
      expect(node.seen).toEqual(["disconnect ann: banned", "disconnect bob: undefined"]);
    });

    test("never gives a node its own relays back", async () => {
      await bridge.join("game:1");
      bridge.relay("game:1", publication("x"));
      await bridge.join("game:2");
      expect(node.seen).toEqual(["game:1 joined at 0", "game:2 joined at 0"]);
    });
  });
}

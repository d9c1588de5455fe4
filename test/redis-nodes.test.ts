import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { RedisConnection } from "../src/bridge/connection.ts";
import type { RedisBridge, RedisBridgeOptions } from "../src/bridge/redis.ts";
import { FaultyConnect } from "./support/faulty-connect.ts";
import { ObservedNode } from "./support/observed-node.ts";
import { createRedisBridge, lookAt, namespaces, settleOn } from "./support/redis-nodes.ts";
import { RedisServer } from "./support/redis-server.ts";
import { SteppedClock } from "./support/stepped-clock.ts";

const room = "room:1";
const count = 200;

let redis: RedisServer;
let look: RedisConnection;
let prefix: string;
let runs = 0;
let open: RedisBridge[] = [];

beforeAll(async () => {
  redis = await RedisServer.start();
  look = await lookAt(redis.url);
});
afterAll(async () => {
  look.close();
  await redis[Symbol.asyncDispose]();
});
afterEach(async () => {
  await Promise.all(open.map((bridge) => bridge.close()));
  open = [];
  prefix = `run-${++runs}:`;
});
prefix = `run-${runs}:`;

function bridge(overrides: Partial<RedisBridgeOptions> = {}, clock?: SteppedClock): RedisBridge {
  const created = createRedisBridge([redis.url], { prefix, ...overrides }, clock);
  open.push(created);
  return created;
}

async function started(
  overrides: Partial<RedisBridgeOptions> = {},
  clock?: SteppedClock,
): Promise<ObservedNode> {
  return ObservedNode.start(bridge(overrides, clock));
}

async function two(topic = room): Promise<[ObservedNode, ObservedNode]> {
  const nodes = await Promise.all([started(), started()]);
  await Promise.all(nodes.map((node) => node.bridge.join(topic)));
  return nodes as [ObservedNode, ObservedNode];
}

function agree(...nodes: ObservedNode[]): void {
  for (const node of nodes) {
    expect(node.complaints).toEqual([]);
    expect(node.topic(room)).toEqual(nodes[0]!.topic(room));
  }
}

const numbers = (many: number) => Array.from({ length: many }, (_, index) => index);

describe("two nodes over one Redis", () => {
  test("see the publications of both in one order, and each publisher's in its own", async () => {
    const [one, other] = await two();
    const publishing: Promise<unknown>[] = [];
    for (const index of numbers(count)) {
      publishing.push(one.publish(room, `one ${index}`), other.publish(room, `other ${index}`));
      if (index % 7 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(publishing);
    for (const node of [one, other])
      await node.until(() => node.topic(room).data.length === 2 * count, "all");
    agree(one, other);
    for (const who of ["one", "other"]) {
      const theirs = one.topic(room).data.filter((data) => String(data).startsWith(`${who} `));
      expect(theirs).toEqual(numbers(count).map((index) => `${who} ${index}`));
    }
  });

  test("share one envelope and one entry for what one turn publishes to a topic", async () => {
    const [one, other] = await two();
    await Promise.all(numbers(50).map((index) => one.publish(room, index)));
    await other.until(() => other.topic(room).data.length === 50, "all 50");
    expect(await redis.command("xlen", `${prefix}h:${room}`)).toBe("1");
    expect(one.bridge.shards[0]!.outbox.counts).toMatchObject({ batches: 1, publications: 50 });
  });

  test("hear each other's relays in order, and never their own", async () => {
    const [one, other] = await two("game:1");
    for (const index of numbers(600)) one.bridge.relay("game:1", { data: index, timestamp: 0 });
    other.bridge.relay("game:1", { data: "back", timestamp: 0 });
    await other.until(() => other.relays.length === 600, "all relays");
    await one.until(() => one.relays.length > 0, "the other's relay");
    expect(other.relays).toEqual(numbers(600));
    expect(one.relays).toEqual(["back"]);
  });

  test("disconnect a user on both, once", async () => {
    const [one, other] = await two();
    await one.bridge.disconnect("ann", "banned");
    await other.until(() => other.disconnects.length > 0, "the disconnect");
    await other.bridge.disconnect("ben", undefined);
    await one.until(() => one.disconnects.length > 1, "the second disconnect");
    expect(one.disconnects).toEqual(["ann: banned", "ben: undefined"]);
    expect(other.disconnects).toEqual(["ann: banned", "ben: undefined"]);
  });

  test("make one publication of an idempotency key, whoever publishes it", async () => {
    const [one, other] = await two();
    const idempotencyKey = "key";
    const before = one.publish(room, "before");
    const doubled = [one, other, one].map((node) => node.publish(room, "once", { idempotencyKey }));
    const [first, ...others] = await Promise.all(doubled);
    expect(others).toEqual([first!, first!]);
    await before;
    const last = await other.publish(room, "after");
    expect(last.offset).toBe(3);
    await one.until(() => one.topic(room).position.offset === 3, "all three");
    await other.until(() => other.topic(room).position.offset === 3, "all three");
    agree(one, other);
  });

  test("join and leave thousands of topics, and hear of those they are in", async () => {
    const [one, other] = await Promise.all([started(), started()]);
    const topics = numbers(1500).map((index) => `room:${index}`);
    await Promise.all(topics.map((topic) => one.bridge.join(topic)));
    for (const topic of topics.slice(0, 750)) one.bridge.leave(topic);
    const again = topics.slice(0, 10);
    await Promise.all(again.map((topic) => one.bridge.join(topic)));
    await Promise.all(topics.map((topic) => other.publish(topic, topic)));
    const there = [...again, ...topics.slice(750)];
    await one.until(() => there.every((topic) => one.topic(topic).data.length === 1), "each topic");
    for (const topic of topics.slice(10, 750)) expect(one.topic(topic).data).toEqual([]);
    const channels = await redis.command("pubsub", "channels", `${prefix}t:*`);
    expect(channels.split("\n")).toHaveLength(there.length);
  });

  test("give a latest topic's newest values to who joins, and the same to all", async () => {
    const [one, other] = await two("ticker:1");
    await one.publish("ticker:1", 1, { key: "a" });
    await other.publish("ticker:1", 2, { key: "b" });
    await one.publish("ticker:1", 3, { key: "a" });
    await other.publish("ticker:1", null, { key: "b", removed: true });
    const late = await started();
    await late.bridge.join("ticker:1");
    await one.until(() => one.topic("ticker:1").position.offset === 4, "the last");
    for (const node of [one, other, late]) {
      expect([...node.topic("ticker:1").values]).toEqual([["a", 3]]);
      expect(node.complaints).toEqual([]);
    }
  });

  test("pass over what nobody of theirs can have sent", async () => {
    const [one] = await two();
    for (const payload of ["", "x", "\u0091", JSON.stringify({ kind: 1 })]) {
      await redis.command("publish", `${prefix}t:${room}`, payload);
      await redis.command("publish", `${prefix}c`, payload);
    }
    await one.publish(room, "after");
    expect(one.topic(room).data).toEqual(["after"]);
    expect(one.bridge.shards[0]!.counts.malformedEnvelopes).toBe(8);
    expect(one.changes).toBe(1);
  });
});

describe("a node that loses messages", () => {
  async function lossy(topic: string): Promise<[ObservedNode, ObservedNode, FaultyConnect, SteppedClock]> {
    const clock = new SteppedClock(() => settleOn(look));
    const faults = new FaultyConnect();
    const one = await started();
    const other = await started({ connect: faults.connect }, clock);
    await Promise.all([one, other].map((node) => node.bridge.join(topic)));
    return [one, other, faults, clock];
  }

  /** Loses what a node is told of a topic while `work` has it told `count` times. */
  async function lose(faults: FaultyConnect, topic: string, count: number, work: () => Promise<void>) {
    const lost = Promise.withResolvers<void>();
    let left = count;
    faults.losesMessage = (channel) => {
      if (!channel.endsWith(topic)) return false;
      left -= 1;
      if (left === 0) lost.resolve();
      return true;
    };
    await work();
    // The publisher may know sooner.
    await lost.promise;
    faults.losesMessage = () => false;
  }

  test("fills the gap from history when the next one comes, without a reset", async () => {
    const [one, other, faults] = await lossy(room);
    await one.publish(room, 1);
    await lose(faults, room, 3, async () => {
      for (const data of [2, 3, 4]) await one.publish(room, data);
    });
    await one.publish(room, 5);
    await other.until(() => other.topic(room).data.length === 5, "all five");
    expect(other.topic(room).data).toEqual([1, 2, 3, 4, 5]);
    expect(other.topic(room).resets).toBe(0);
    expect(other.bridge.shards[0]!.counts.gaps).toBe(1);
    agree(one, other);
  });

  test("finds out within 15 s what it missed of a topic that is silent since", async () => {
    const [one, other, faults, clock] = await lossy(room);
    await clock.wait(15_000);
    await lose(faults, room, 1, async () => void (await one.publish(room, "lost")));
    await clock.wait(15_000);
    await other.until(() => other.topic(room).data.length === 1, "the lost one");
    agree(one, other);
  });

  test("says reset where history no longer reaches, and continues where it begins", async () => {
    const [one, other, faults] = await lossy(room);
    await lose(faults, room, 10, async () => {
      for (const data of numbers(10)) await one.publish(room, data);
    });
    await one.publish(room, 10);
    await other.until(() => other.topic(room).position.offset === 11, "the last one");
    expect(other.topic(room).resets).toBe(1);
    expect(other.topic(room).data).toEqual([6, 7, 8, 9, 10]);
    expect(other.bridge.shards[0]!.counts.resets).toEqual({
      epoch: 0,
      history: 1,
      inconsistent: 0,
    });
  });

  test("converges on the newest values of a latest topic, without a reset", async () => {
    const [one, other, faults] = await lossy("ticker:1");
    await lose(faults, "ticker:1", 3, async () => {
      for (const data of [1, 2, 3]) await one.publish("ticker:1", data, { key: "a" });
    });
    await one.publish("ticker:1", 4, { key: "b" });
    await other.until(() => other.topic("ticker:1").position.offset === 4, "the last one");
    expect(Object.fromEntries(other.topic("ticker:1").values)).toEqual({ a: 3, b: 4 });
    expect(other.topic("ticker:1").resets).toBe(0);
    expect(other.complaints).toEqual([]);
  });
});

describe("what nodes must agree on", () => {
  test("a namespace of another mode is refused, by its name and both modes", async () => {
    await started();
    const conflicting = bridge({ namespaces: { ...namespaces, room: "latest" } });
    await expect(conflicting.start(new ObservedNode(conflicting))).rejects.toThrow(
      /namespace room is latest here and stream on the node/,
    );
  });

  test("the node that is there stays ready when another was refused, and a new namespace is none of its business", async () => {
    const there = await started();
    const conflicting = bridge({ namespaces: { ...namespaces, room: "latest" } });
    await conflicting.start(new ObservedNode(conflicting)).catch(() => undefined);
    await conflicting.close();
    there.bridge.shards[0]!.link.distrust(new Error("by the test"));
    await there.until(() => there.changes === 3 && there.isAlive, "the node to be back");
    const rolledOut = await started({ namespaces: { ...namespaces, fresh: "stream" } });
    expect(rolledOut.isAlive).toBe(true);
  });

  test("one Redis under two addresses is refused", async () => {
    const twice = createRedisBridge([redis.url, redis.url.replace("127.0.0.1", "localhost")], { prefix });
    open.push(twice);
    await expect(twice.start(new ObservedNode(twice))).rejects.toThrow(/two of the addresses/);
  });
});

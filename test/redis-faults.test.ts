import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Retention } from "../src/bridge/bridge.ts";
import type { RedisBridge, RedisBridgeOptions } from "../src/bridge/redis.ts";
import { FaultyConnect } from "./support/faulty-connect.ts";
import { ObservedNode } from "./support/observed-node.ts";
import { createRedisBridge, timing } from "./support/redis-nodes.ts";
import { RedisServer, type RedisServerOptions } from "./support/redis-server.ts";
import { TcpProxy } from "./support/tcp-proxy.ts";

const room = "room:1";
const prefix = "faults:";
/** So that a test does not wait for seconds. */
const quick = { ...timing, connectTimeoutMs: 500, probeIntervalMs: 50 };
const history = { size: 10_000, ttlMs: 600_000, maxBytes: 100_000_000 };

function retention(topic: string): Retention {
  if (topic.startsWith("room:")) return { mode: "stream", history };
  if (topic.startsWith("ticker:")) return { mode: "latest", keyed: { maxKeys: 100, removalTtlMs: 60_000 } };
  return { mode: "volatile" };
}

let redis: RedisServer;
let open: RedisBridge[] = [];
beforeEach(async () => {
  await begin();
});
afterEach(async () => {
  await Promise.all(open.map((bridge) => bridge.close()));
  open = [];
  await redis[Symbol.asyncDispose]();
});

async function begin(options?: RedisServerOptions): Promise<void> {
  redis = await RedisServer.start(options);
}

async function node(overrides: Partial<RedisBridgeOptions> = {}): Promise<ObservedNode> {
  const bridge = createRedisBridge([redis.url], { prefix, retention, timing: quick, ...overrides });
  open.push(bridge);
  return ObservedNode.start(bridge);
}

async function two(overrides: Partial<RedisBridgeOptions> = {}): Promise<[ObservedNode, ObservedNode]> {
  const nodes = await Promise.all([node(overrides), node()]);
  await Promise.all(nodes.map(({ bridge }) => bridge.join(room)));
  return nodes as [ObservedNode, ObservedNode];
}

/** Publishes without waiting, a turn after the other, until it is stopped; answers what became of each publication. */
function stream(publisher: ObservedNode): () => Promise<PromiseSettledResult<unknown>[]> {
  const publishing: Promise<unknown>[] = [];
  let isOver = false;
  const go = () => {
    if (isOver) return;
    for (let index = 0; index < 3; index++) publishing.push(publisher.publish(room, publishing.length));
    setTimeout(go, 1);
  };
  go();
  return () => {
    isOver = true;
    return Promise.allSettled(publishing);
  };
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);

async function backAgain(...nodes: ObservedNode[]): Promise<void> {
  for (const each of nodes) await each.until(() => each.isAlive, "the bridge to be alive");
}

/** Every node has seen all of them, once and in order. */
async function haveSeen(count: number, resets: number, ...nodes: ObservedNode[]): Promise<void> {
  for (const each of nodes) {
    await each.until(() => each.topic(room).data.length >= count, `${count} publications`);
    expect(each.topic(room).data).toEqual(upTo(count));
    expect(each.topic(room).resets).toBe(resets);
    expect(each.complaints).toEqual([]);
  }
}

describe("a publication under way", () => {
  test("happens once and in order though all connections are killed again and again", async () => {
    const [one, other] = await two();
    const stop = stream(one);
    for (let round = 0; round < 3; round++) {
      await other.until(() => other.topic(room).data.length > 20 * (round + 1), "some publications");
      await redis.command("client", "kill", "type", round === 1 ? "pubsub" : "normal");
      await one.until(() => one.changes > 2 * round + 1, "the loss to be noticed");
      await backAgain(one, other);
    }
    const results = await stop();
    expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
    await haveSeen(results.length, 0, one, other);
  });

  test("happens once though its reply was lost", async () => {
    const faults = new FaultyConnect();
    const [one, other] = await two({ connect: faults.connect });
    faults.isHoldingReplies = true;
    const publishing = upTo(10).map((index) => one.publish(room, index));
    await other.until(() => other.topic(room).data.length === 10, "all ten");
    faults.isHoldingReplies = false;
    faults.cut();
    const positions = await Promise.all(publishing);
    expect(positions.map(({ offset }) => offset)).toEqual(upTo(10).map((index) => index + 1));
    await one.publish(room, 10);
    await haveSeen(11, 0, one, other);
    expect(one.bridge.shards[0]!.outbox.counts.repeated).toBe(1);
  });

  test("happens once and in order though Redis forgets its scripts", async () => {
    const [one, other] = await two();
    const stop = stream(one);
    for (let round = 0; round < 5; round++) {
      await other.until(() => other.topic(room).data.length > 20 * (round + 1), "some publications");
      await redis.command("script", "flush");
    }
    const results = await stop();
    await haveSeen(results.length, 0, one, other);
  });

  test("is refused behind another fence, and happens once the fence is taken anew", async () => {
    const [one, other] = await two();
    await one.publish(room, 0);
    for (const [command, index] of [
      ["del", 1],
      ["set", 2],
    ] as const) {
      const lease = `${prefix}l:${one.bridge.instance}`;
      await redis.command(...(command === "del" ? [command, lease] : [command, lease, "0"]));
      const { fence } = one.bridge.shards[0]!.link;
      await one.publish(room, index);
      expect(one.bridge.shards[0]!.link.fence).toBe(fence + 1);
    }
    await haveSeen(3, 0, one, other);
    expect(one.changes).toBe(1);
  });

  test("fails as not made where Redis is away for longer than it may wait, or is not to be waited for", async () => {
    const waiting = await node({ publishTimeoutMs: 300 });
    const refusing = await node({ queueWhileAway: false });
    await redis.kill();
    for (const each of [waiting, refusing]) await each.until(() => !each.isAlive, "Redis to be away");
    const refused = refusing.publish(room, "refused");
    await expect(refused).rejects.toMatchObject({ code: "unavailable" });
    await expect(waiting.publish(room, "waited")).rejects.toMatchObject({ code: "unavailable" });
    await expect(waiting.bridge.history(room, 0, 1)).rejects.toMatchObject({ code: "unavailable" });
    await expect(waiting.bridge.disconnect("ann", undefined)).rejects.toMatchObject({ code: "unavailable" });
    await expect(waiting.bridge.join("room:2")).rejects.toMatchObject({ code: "unavailable" });
  });

  test("has an unknown outcome where Redis does not answer in time, and happens at most once", async () => {
    const [one, other] = await two({ publishTimeoutMs: 400, timing });
    redis.pause();
    const publishing = one.publish(room, 0);
    await expect(publishing).rejects.toMatchObject({ code: "outcome-unknown" });
    redis.resume();
    await other.until(() => other.topic(room).data.length === 1, "what was sent");
    await one.publish(room, 1);
    await haveSeen(2, 0, one, other);
  });

  test("is refused where as many wait as may, in publications and in bytes", async () => {
    const few = await node({ maxQueuedPublications: 3 });
    const little = await node({ maxQueuedBytes: 1000 });
    redis.pause();
    const queued = upTo(3).map((index) => few.publish(room, index));
    await expect(few.publish(room, 3)).rejects.toMatchObject({ code: "unavailable" });
    queued.push(little.publish("room:2", "x".repeat(900)));
    await expect(little.publish("room:2", "x".repeat(900))).rejects.toMatchObject({ code: "unavailable" });
    redis.resume();
    await Promise.all(queued);
    await few.publish(room, 3);
    expect(few.bridge.budget).toMatchObject({ publications: 0, bytes: 0 });
  });
});

describe("a Redis that comes back", () => {
  test("with its data brings one reset, and nothing is lost or made twice", async () => {
    await redis[Symbol.asyncDispose]();
    await begin({ directives: ["--appendonly", "yes", "--appendfsync", "always"] });
    const [one, other] = await two();
    const stop = stream(one);
    await other.until(() => other.topic(room).data.length > 50, "some publications");
    await redis.kill();
    await one.until(() => !one.isAlive, "Redis to be away");
    await redis.revive();
    await backAgain(one, other);
    const results = await stop();
    expect(results.filter(({ status }) => status === "rejected")).toEqual([]);
    await haveSeen(results.length, 1, one, other);
    expect(one.topic(room).position.offset).toBe(results.length);
  });

  test("empty brings one reset to the beginning, and what is published from then on", async () => {
    const [one, other] = await two();
    await one.publish(room, "before");
    await other.until(() => other.topic(room).data.length === 1, "the first one");
    const { epoch } = one.topic(room).position;
    await redis.kill();
    await one.until(() => !one.isAlive, "Redis to be away");
    const queued = one.publish(room, "meanwhile");
    await redis.revive();
    await backAgain(one, other);
    expect((await queued).offset).toBe(1);
    await other.publish(room, "after");
    for (const each of [one, other]) {
      await each.until(() => each.topic(room).position.offset === 2, "the last one");
      expect(each.topic(room).data).toEqual(["before", "meanwhile", "after"]);
      expect(each.topic(room).resets).toBe(1);
      expect(each.topic(room).position.epoch).not.toBe(epoch);
      expect(each.complaints).toEqual([]);
    }
  });

  test("empty keeps the shard's id, and its leases and registry are told anew", async () => {
    const one = await node();
    const { shardId } = one.bridge.shards[0]!.link;
    await redis.kill();
    await one.until(() => !one.isAlive, "Redis to be away");
    await redis.revive();
    await backAgain(one);
    expect(await redis.command("get", `${prefix}id`)).toBe(shardId!);
    expect(await redis.command("exists", `${prefix}l:${one.bridge.instance}`)).toBe("1");
    expect(await redis.command("exists", `${prefix}n:${one.bridge.instance}`)).toBe("1");
    expect((await node()).isAlive).toBe(true);
  });

  test("as a master again after it was a replica brings one reset", async () => {
    const [one, other] = await two();
    await one.publish(room, 0);
    await redis.command("replicaof", "127.0.0.1", "1");
    const queued = one.publish(room, 1);
    await one.until(() => !one.isAlive, "the replica to be refused");
    await redis.command("replicaof", "no", "one");
    await queued;
    await backAgain(one, other);
    await haveSeen(2, 1, one, other);
  });

  test("after it was silent was given up for dead meanwhile, and nothing is lost", async () => {
    const [one, other] = await two();
    await one.publish(room, 0);
    redis.pause();
    const queued = one.publish(room, 1);
    for (const each of [one, other]) await each.until(() => !each.isAlive, "the silence to be noticed");
    redis.resume();
    await queued;
    await backAgain(one, other);
    await haveSeen(2, 0, one, other);
  });

  test("late is waited for from the start", async () => {
    await redis.kill();
    const late = await node();
    expect(late.isAlive).toBe(false);
    const queued = late.publish(room, 0);
    await redis.revive();
    expect((await queued).offset).toBe(1);
    await backAgain(late);
  });
});

describe("a subscription", () => {
  test("that Redis ended is noticed, and what was missed is made up for", async () => {
    const faults = new FaultyConnect();
    const [one, other] = await two({ connect: faults.connect });
    await one.publish(room, 0);
    faults.losesMessage = () => true;
    await one.until(() => !one.isAlive, "the deaf subscription to be noticed");
    await other.publish(room, 1);
    faults.losesMessage = () => false;
    await backAgain(one);
    await haveSeen(2, 0, one, other);
  });

  test("that is not there yet when the bridge is closed is given up", async () => {
    const proxy = await TcpProxy.to(redis.port);
    proxy.stall();
    const bridge = createRedisBridge([`redis://127.0.0.1:${proxy.port}`], { prefix });
    const starting = bridge.start(new ObservedNode(bridge)).catch((failure: Error) => failure.message);
    await proxy.connected(2, 0);
    await bridge.close();
    expect(await starting).toBe("the bridge was closed");
    proxy.heal();
    await proxy.ended();
    expect(proxy.count).toBe(0);
    await proxy[Symbol.asyncDispose]();
  });

  test("that the bridge itself ends is no news to its node", async () => {
    const one = await node();
    await one.bridge.close();
    expect([one.isAlive, one.changes]).toEqual([true, 1]);
  });

  test("of a password that is wrong fails at the start, and says no password", async () => {
    await redis.command("config", "set", "requirepass", "right");
    const url = redis.url.replace("//", "//:wrong-one@");
    const bridge = createRedisBridge([url], { prefix, timing: quick });
    const starting = bridge.start(new ObservedNode(bridge));
    await expect(starting).rejects.toThrow(/^(?!.*wrong-one).*WRONGPASS/);
    await bridge.close();
  });
});

test("several shards have a topic each, and all must be alive", async () => {
  const second = await RedisServer.start();
  try {
    const bridge = createRedisBridge([redis.url, second.url], { prefix, retention, timing: quick });
    open.push(bridge);
    const one = await ObservedNode.start(bridge);
    const topics = upTo(20).map((index) => `room:${index}`);
    await Promise.all(topics.map((topic) => bridge.join(topic)));
    await Promise.all(topics.map((topic) => one.publish(topic, topic)));
    for (const topic of topics) expect(one.topic(topic).data).toEqual([topic]);
    const counts = bridge.shards.map(({ outbox }) => outbox.counts.publications);
    expect(counts[0]! + counts[1]!).toBe(20);
    expect(Math.min(...counts)).toBeGreaterThan(2);
    await second.kill();
    await one.until(() => !one.isAlive, "one shard to be away");
    await second.revive();
    await backAgain(one);
  } finally {
    await second[Symbol.asyncDispose]();
  }
});

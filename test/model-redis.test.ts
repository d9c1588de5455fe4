// The faults that the model of a Redis can be asked for: a simulation proves nothing by a fault that does not happen.

import { beforeEach, describe, expect, test } from "bun:test";
import { type Call, ConnectionLost, RedisError, type Reply } from "../src/bridge/connection.ts";
import { InstanceStore } from "../src/bridge/store-instances.ts";
import { StoreKeys } from "../src/bridge/store-keys.ts";
import { ModelRedis } from "./support/model-redis.ts";
import type { ModelConnection } from "./support/model-redis-connection.ts";
import { VirtualClock } from "./support/virtual-clock.ts";

const keys = new StoreKeys("m:");
const ping: Call = { command: "PING", args: [] };
const publish = (payload: string): Call => ({ command: "PUBLISH", args: ["ch", Buffer.from(payload)] });

let clock: VirtualClock;
let redis: ModelRedis;
let isLossy: boolean;
let delayMs: number;
let ids: number;

beforeEach(() => {
  clock = new VirtualClock();
  isLossy = false;
  delayMs = 5;
  ids = 0;
  redis = new ModelRedis({
    ...{ clock, delayMs: () => delayMs, losesMessage: () => isLossy },
    newId: () => `replid-${++ids}`,
  });
});

interface Client {
  readonly connection: ModelConnection;
  readonly messages: string[];
  readonly reasons: string[];
}

async function open(channels: readonly string[] = []): Promise<Client> {
  const messages: string[] = [];
  const reasons: string[] = [];
  const handlers = {
    message: (_: string, payload: Uint8Array) => void messages.push(Buffer.from(payload).toString()),
    closed: (reason: string) => void reasons.push(reason),
  };
  const opening = redis.connect("model", handlers, 1000);
  await clock.advance(10);
  const connection = (await opening) as ModelConnection;
  const subscribing = connection.subscribe(channels);
  await clock.advance(10);
  await subscribing;
  return { connection, messages, reasons };
}

/** What becomes of a promise, in its time. */
function fate(promise: Promise<readonly (Reply | RedisError)[]>): { told: string } {
  const fate = { told: "nothing yet" };
  promise.then(
    (replies) => {
      fate.told = replies.map((reply) => (reply instanceof RedisError ? reply.code : String(reply))).join();
    },
    (fault: unknown) => {
      fate.told = fault instanceof ConnectionLost ? "lost" : String(fault);
    },
  );
  return fate;
}

const lease = (instance: string, fence: number) => new InstanceStore(keys, instance).fence(fence, 1000).call;

describe("the model of a Redis", () => {
  test("takes its time, and keeps the order of each connection", async () => {
    const { connection, messages } = await open(["ch"]);
    const first = fate(connection.run([publish("1")]));
    delayMs = 0;
    const second = fate(connection.run([publish("2"), ping]));
    await clock.advance(4);
    expect([first.told, second.told, ...messages]).toEqual(["nothing yet", "nothing yet"]);
    await clock.advance(1);
    expect([first.told, second.told, ...messages]).toEqual(["1", "1,PONG", "1", "2"]);
  });

  test("lets connections overtake one another", async () => {
    const [slow, fast] = [await open(["ch"]), await open()];
    delayMs = 50;
    const late = fate(slow.connection.run([publish("slow")]));
    delayMs = 1;
    await clock.advance(1);
    const early = fate(fast.connection.run([publish("fast")]));
    await clock.advance(100);
    expect(slow.messages).toEqual(["fast", "slow"]);
    expect([early.told, late.told]).toEqual(["1", "1"]);
  });

  test("holds what a stalled connection sends and is sent, and delivers it in order", async () => {
    const [{ connection, messages }, other] = [await open(["ch"]), await open()];
    connection.stall();
    const held = fate(connection.run([publish("mine")]));
    void other.connection.run([publish("other")]);
    await clock.advance(1000);
    expect([held.told, redis.counts.published, ...messages]).toEqual(["nothing yet", 1]);
    connection.resume();
    await clock.advance(10);
    expect([held.told, ...messages]).toEqual(["1", "other", "mine"]);
  });

  test("executes late what a stalled connection still held when its owner gave it up", async () => {
    const { connection, reasons } = await open();
    connection.stall();
    const held = fate(connection.run([lease("a", 1)]));
    await clock.advance(100);
    connection.close();
    await clock.advance(100);
    expect([held.told, ...reasons]).toEqual(["lost", "closed by this node"]);
    const next = await open();
    const renewed = fate(next.connection.run([lease("a", 2)]));
    await clock.advance(10);
    connection.resume();
    await clock.advance(10);
    expect([renewed.told, redis.data.string(keys.lease("a")), redis.connections.length]).toEqual([
      "1",
      "2",
      1,
    ]);
  });

  test("cuts a connection with some of what is under way executed, and nobody told", async () => {
    const { connection, reasons } = await open();
    const fates = [1, 2, 3].map((count) => fate(connection.run([lease(`instance-${count}`, 1)])));
    expect(connection.underWay).toBe(3);
    connection.cut("cut", 2);
    await clock.advance(100);
    expect(fates.map(({ told }) => told)).toEqual(["lost", "lost", "lost"]);
    expect([...redis.data.set(keys.instances)]).toEqual(["instance-1", "instance-2"]);
    expect(reasons).toEqual(["cut"]);
    expect(connection.outstanding).toBe(0);
  });

  test("loses messages and nothing else where it is told to", async () => {
    const { connection, messages } = await open(["ch"]);
    isLossy = true;
    const lost = fate(connection.run([publish("1")]));
    await clock.advance(10);
    isLossy = false;
    void connection.run([publish("2")]);
    await clock.advance(10);
    expect([lost.told, redis.counts.lost, ...messages]).toEqual(["1", 1, "2"]);
  });

  test("ends a connection whose output ran over, with all that was in it", async () => {
    const { connection, messages, reasons } = await open(["ch"]);
    const told = fate(connection.run([publish("1")]));
    await clock.advance(7);
    connection.overrun();
    await clock.advance(10);
    expect([told.told, ...messages, ...reasons]).toEqual(["lost", "the output buffer ran over"]);
    expect(redis.counts.published).toBe(1);
  });

  test("does nothing while it is paused, and everything afterwards", async () => {
    const { connection } = await open();
    redis.pause();
    const waiting = fate(connection.run([ping]));
    const opening = redis.connect("model", { message: () => undefined, closed: () => undefined }, 50);
    const refused = opening.catch((fault: unknown) => fault);
    await clock.advance(100);
    expect(await refused).toBeInstanceOf(ConnectionLost);
    expect(waiting.told).toBe("nothing yet");
    redis.resume();
    await clock.advance(10);
    expect(waiting.told).toBe("PONG");
    expect(redis.connections.length).toBe(1);
  });

  test("refuses connections while it is down, and comes back with what it had, with less, or with nothing", async () => {
    const before = await open();
    void before.connection.run([lease("a", 1)]);
    await clock.advance(10);
    const snapshot = redis.snapshot();
    void before.connection.run([lease("a", 2)]);
    await clock.advance(10);
    redis.stop();
    const opening = redis.connect("model", { message: () => undefined, closed: () => undefined }, 1000);
    const refused = opening.catch((fault: unknown) => fault);
    await clock.advance(10);
    expect(await refused).toBeInstanceOf(ConnectionLost);
    expect(before.reasons.length).toBe(1);
    const fence = () => redis.data.string(keys.lease("a"));
    redis.start("data");
    expect(fence()).toBe("2");
    redis.promote({ rollBackTo: snapshot });
    expect(fence()).toBe("1");
    redis.restart("nothing");
    expect(fence()).toBeUndefined();
  });

  test("refuses to write while it is demoted, and keeps its connections", async () => {
    const { connection, reasons } = await open();
    redis.demote();
    const told = fate(connection.run([lease("a", 1), ping]));
    await clock.advance(10);
    expect([told.told, ...reasons]).toEqual(["READONLY,PONG"]);
  });

  test("ends leases by its own clock", async () => {
    const { connection } = await open();
    void connection.run([lease("a", 1)]);
    await clock.advance(1004);
    expect(redis.data.leftMs(keys.lease("a"))).toBe(1);
    await clock.advance(1);
    expect(redis.data.leftMs(keys.lease("a"))).toBe(-2);
  });
});

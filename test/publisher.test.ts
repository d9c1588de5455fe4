// `createPublisher` over a real Redis, beside a node that hears it: the same checks and the same promises as a node's publish.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createPublisher, type Publisher, type PublisherInput } from "../src/publisher.ts";
import { connect, endServersAfterEach, lines, log, rejection, start } from "./support/in-process.ts";
import { RedisServer } from "./support/redis-server.ts";
import { TcpProxy } from "./support/tcp-proxy.ts";

const namespaces = { room: { maxPublishBytes: 200 }, ticker: { maxKeys: 2 } };
let redis: RedisServer;
let proxy: TcpProxy;
let publisher: Publisher;

async function publish(input: PublisherInput = {}): Promise<Publisher> {
  const urls = [`redis://127.0.0.1:${proxy.port}`];
  return createPublisher({ namespaces, log, ...input, redis: { urls, ...input.redis } });
}

endServersAfterEach();
beforeEach(async () => {
  redis = await RedisServer.start();
  proxy = await TcpProxy.to(redis.port);
  publisher = await publish();
});
afterEach(async () => {
  await publisher.close();
  await proxy[Symbol.asyncDispose]();
  await redis.end();
});

async function heard(topic: string) {
  const server = await start({ redis: { urls: [redis.url] }, namespaces });
  const peer = await connect(server);
  expect(await peer.request({ type: "subscribe", topic })).toMatchObject({ type: "ok" });
  return peer;
}

describe("what it publishes", () => {
  test("is heard in order, with its position, and by whom it is meant", async () => {
    const peer = await heard("room:1");
    const positions = await Promise.all([1, 2, 3].map((data) => publisher.publish("room:1", data)));
    for (const [index, position] of positions.entries()) {
      expect(position).toEqual({ epoch: positions[0]!.epoch, offset: index + 1 });
      expect(await peer.next()).toMatchObject({ data: index + 1, offset: index + 1 });
    }
    await publisher.broadcast("all", { event: "said", userId: "bob" });
    expect(await peer.next()).toMatchObject({
      topic: "broadcast:all",
      data: "all",
      event: "said",
      userId: "bob",
    });
    await publisher.sendToUser(String(peer.connected.userId), "you");
    expect(await peer.next()).toMatchObject({ topic: `user:${peer.connected.userId}`, data: "you" });
  });

  test("into a volatile topic is heard and has no position, and of latest the newest value is kept", async () => {
    const peer = await heard("game:1");
    expect(await publisher.publish("game:1", "now")).toBeUndefined();
    expect(await peer.next()).toMatchObject({ topic: "game:1", data: "now" });
    for (const data of [1, 2]) await publisher.publish("ticker:1", data, { key: "a" });
    await publisher.publish("ticker:1", null, { key: "b", removed: true });
    const { publications } = await peer.request({ type: "subscribe", topic: "ticker:1" });
    expect(publications).toMatchObject([{ key: "a", data: 2 }]);
  });

  test("into a volatile topic is heard also where it is the last thing that it does", async () => {
    const peer = await heard("game:1");
    await publisher.publish("game:1", "last words");
    await publisher.close();
    expect(await peer.next()).toMatchObject({ topic: "game:1", data: "last words" });
  });

  test("shares a batch where it is published in one turn, and is copied", async () => {
    const data = { text: "as it was" };
    const publishing = [publisher.publish("room:1", data), publisher.publish("room:1", data)];
    data.text = "as it became";
    await Promise.all(publishing);
    expect(await redis.command("XLEN", "fanwire:h:room:1")).toBe("1");
    const peer = await heard("room:1");
    const told = await peer.request({ type: "history", topic: "room:1" });
    expect(told.publications?.map((item) => item.data)).toEqual([
      { text: "as it was" },
      { text: "as it was" },
    ]);
  });

  test("under an idempotency key is made once, also where the answer was lost", async () => {
    const first = await publisher.publish("room:1", 1, { idempotencyKey: "a" });
    expect(await publisher.publish("room:1", 1, { idempotencyKey: "a" })).toEqual(first!);
    // Redis hears it, and nobody hears Redis.
    proxy.slow({ delayMs: 100 });
    const publishing = publisher.publish("room:1", 2);
    const taken = async () => (await redis.command("HGET", "fanwire:m:room:1", "s")) === "2";
    while (!(await taken())) await Bun.sleep(5);
    await proxy.drop();
    proxy.heal();
    expect(await publishing).toMatchObject({ offset: 2 });
    expect(await publisher.publish("room:1", 3)).toMatchObject({ offset: 3 });
  });
});

describe("it refuses", () => {
  test.each<[string, unknown, object, string]>([
    ["room", 1, {}, "bad-topic"],
    ["nowhere:1", 1, {}, "unknown-namespace"],
    ["room:1", () => 1, {}, "bad-data"],
    ["room:1", new Uint8Array(1), {}, "bad-data"],
    ["ticker:1", 1, {}, "bad-data"],
    ["room:1", 1, { key: "a" }, "mode-mismatch"],
    ["game:1", 1, { idempotencyKey: "a" }, "mode-mismatch"],
    ["room:1", "x".repeat(201), {}, "too-large"],
  ])("%s, %p, %j with the code of a node", async (topic, data, options, code) => {
    expect(await rejection(publisher.publish(topic, data, options))).toMatchObject({ code });
  });

  test("one key too many", async () => {
    for (const key of ["a", "b"]) await publisher.publish("ticker:1", 1, { key });
    const refused = await rejection(publisher.publish("ticker:1", 1, { key: "c" }));
    expect(refused).toMatchObject({ code: "too-many" });
  });

  test("what Redis did not take in time, and says whether it may have", async () => {
    const hasty = await publish({ limits: { publishTimeoutMs: 300 } });
    proxy.stall();
    const sent = await rejection(hasty.publish("room:1", 1));
    expect(sent).toMatchObject({ code: "outcome-unknown" });
    await proxy.cut();
    while (lines.filter(({ event }) => event === "redis-lost").length < 2) await Bun.sleep(5);
    expect(await rejection(hasty.publish("room:2", 1))).toMatchObject({ code: "unavailable" });
    await hasty.close();
  });

  test("everything after it was closed, which waits for what is on its way", async () => {
    const publishing = publisher.publish("room:1", 1);
    const closing = publisher.close();
    expect(publisher.close()).toBe(closing);
    expect(await rejection(publisher.publish("room:1", 2))).toMatchObject({ code: "draining" });
    await closing;
    expect(await publishing).toMatchObject({ offset: 1 });
    await proxy.ended();
  });

  test("what waits for a Redis that is away when it is closed, at its deadline, and then ends", async () => {
    const leaving = await publish({ limits: { publishTimeoutMs: 500 } });
    await proxy.cut();
    const waiting = ["room:1", "room:2"].map((topic) => rejection(leaving.publish(topic, 1)));
    await leaving.close();
    // Sent or not: what was on its way when the connection was cut may have arrived.
    for (const refused of waiting) {
      expect((await refused) as object).toMatchObject({
        code: expect.stringMatching(/^(unavailable|outcome-unknown)$/),
      });
    }
  });

  test("to begin without Redis, and where nodes have other modes", async () => {
    expect((await rejection(createPublisher({}))).message).toMatch(/^redis is missing/);
    expect((await rejection(createPublisher({ redis: {} }))).message).toMatch(/^redis.urls is missing/);
    const other = await rejection(publish({ namespaces: { room: { mode: "latest" } } }));
    expect(other.message).toMatch(/^namespace room is latest here and stream on the node /);
  });
});

test("a Redis that is away when it begins is waited for", async () => {
  await redis.kill();
  const patient = await publish();
  const publishing = patient.publish("room:1", 1);
  await redis.revive();
  expect(await publishing).toMatchObject({ offset: 1 });
  await patient.close();
});

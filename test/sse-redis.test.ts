// Event streams of nodes over one Redis: they continue on any node, hear of what Redis lost, and are put off while it is away.

import { afterEach, describe, expect, test } from "bun:test";
import type { InputOptions } from "../src/server.ts";
import { dropEventReaders, EventReader } from "./support/event-reader.ts";
import { endServersAfterEach, start } from "./support/in-process.ts";
import { RedisServer } from "./support/redis-server.ts";

const stack: AsyncDisposable[] = [];
endServersAfterEach();
afterEach(async () => {
  dropEventReaders();
  for (const one of stack.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function startRedis(): Promise<RedisServer> {
  const redis = await RedisServer.start();
  stack.push(redis);
  return redis;
}

const over = (redis: RedisServer): InputOptions => ({ redis: { urls: [redis.url] } });
const topics = ["room:1", "ticker:1"];

describe("an event stream over Redis", () => {
  test("continues on any node after the last event's id", async () => {
    const redis = await startRedis();
    const [one, other] = [await start(over(redis)), await start(over(redis))];
    const first = await EventReader.connect(one.address.port, { topics });
    await one.publish("room:1", 1);
    await one.publish("ticker:1", 1, { key: "a" });
    expect(await first.take(2)).toMatchObject([{ data: 1 }, { data: 1, key: "a" }]);
    first.raw.destroy();
    await other.publish("room:1", 2);
    await one.publish("room:1", 3);
    await one.publish("ticker:1", 2, { key: "a" });
    const { lastEventId } = first;
    const second = await EventReader.connect(other.address.port, { topics, lastEventId });
    const frames = await second.take(3);
    expect(frames.filter(({ topic }) => topic === "room:1")).toMatchObject([{ data: 2 }, { data: 3 }]);
    expect(frames.filter(({ topic }) => topic === "ticker:1")).toMatchObject([{ data: 2, key: "a" }]);
    await one.publish("room:1", 4);
    expect(await second.next()).toMatchObject({ data: 4, offset: 4 });
  });

  test("hears by one `reset` per topic that Redis came back empty, and what its id says then is of the new epoch", async () => {
    const redis = await startRedis();
    const server = await start(over(redis));
    const reader = await EventReader.connect(server.address.port, { topics: ["room:1"], query: "join=none" });
    await server.publish("room:1", "before");
    expect(await reader.next()).toMatchObject({ data: "before" });
    await redis.kill();
    await redis.revive({ isEmpty: true });
    expect(await reader.next()).toMatchObject({ type: "reset", topic: "room:1", offset: 0 });
    await server.publish("room:1", "after");
    expect(await reader.next()).toMatchObject({ data: "after", offset: 1 });
    const { lastEventId } = reader;
    const back = await EventReader.connect(server.address.port, { topics: ["room:1"], lastEventId });
    await server.publish("room:1", "last");
    expect(await back.next()).toMatchObject({ data: "last", offset: 2 });
  });

  test("is put off while Redis is away, in a way that browsers come back from", async () => {
    const redis = await startRedis();
    const server = await start(over(redis));
    await redis.kill();
    const ready = () => fetch(`http://127.0.0.1:${server.address.port}/ready`);
    while ((await ready()).status === 200) await Bun.sleep(20);
    const refused = await EventReader.open(server.address.port, { topics: ["room:away"] });
    // Long before a publication would be given up.
    expect(await refused.rest(3000)).toMatchObject([{ type: "error", code: "unavailable", retryable: true }]);
    expect((await refused.raw.head()).status).toBe(200);
    expect(refused.retryMs).toBeWithin(0, 5001);
  });
});

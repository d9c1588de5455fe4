// A node with Redis as its user sees it: what it does while Redis is away, what it says of that, and where it refuses to start.

import { afterEach, describe, expect, test } from "bun:test";
import { ConfigError, type InputOptions, type Server } from "../src/server.ts";
import { connect, endServersAfterEach, lines, rejection, start } from "./support/in-process.ts";
import type { Peer } from "./support/peer.ts";
import { RedisServer } from "./support/redis-server.ts";
import { Scrape } from "./support/scrape.ts";
import { TcpProxy } from "./support/tcp-proxy.ts";

const stack: AsyncDisposable[] = [];
endServersAfterEach();
afterEach(async () => {
  for (const one of stack.splice(0).reverse()) await one[Symbol.asyncDispose]();
});

async function startRedis(...directives: string[]): Promise<RedisServer> {
  const redis = await RedisServer.start({ directives });
  stack.push(redis);
  return redis;
}

async function proxyTo(redis: RedisServer): Promise<TcpProxy> {
  const proxy = await TcpProxy.to(redis.port);
  stack.push(proxy);
  return proxy;
}

const through = ({ port }: { readonly port: number }, more: InputOptions = {}): InputOptions => ({
  ...more,
  redis: { urls: [`redis://127.0.0.1:${port}`], ...more.redis },
});

async function ready({ address }: Server): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${address.port}/ready`);
  return `${answer.status} ${await answer.text()}`;
}

const away = "404 not ready: the bridge between nodes is not proven alive\n";

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`in vain; so far: ${JSON.stringify(lines)}`);
    await Bun.sleep(10);
  }
}

const isReady = (server: Server) => async () => (await ready(server)) === "200 ready\n";
const metrics = async ({ address }: Server) =>
  new Scrape(await (await fetch(`http://127.0.0.1:${address.port}/metrics`)).text());

async function joined(server: Server, topic: string): Promise<Peer> {
  const peer = await connect(server);
  expect(await peer.request({ type: "subscribe", topic })).toMatchObject({ type: "ok" });
  return peer;
}

describe("two nodes over one Redis", () => {
  test("are one to their clients, and say so in numbers", async () => {
    const redis = await startRedis();
    const [one, other] = [await start(through(redis)), await start(through(redis))];
    const peers = [await joined(one, "room:1"), await joined(other, "room:1")];
    const position = await one.publish("room:1", "hello");
    expect(position).toMatchObject({ offset: 1 });
    for (const peer of peers) expect(await peer.next()).toMatchObject({ data: "hello", offset: 1 });
    const scrape = await metrics(one);
    expect(scrape.value("fanwire_bridge_shard_alive", { shard: "0" })).toBe(1);
    expect(scrape.value("fanwire_bridge_publications_total", { shard: "0" })).toBe(1);
    expect(scrape.value("fanwire_bridge_queued_publications")).toBe(0);
    expect((await metrics(other)).value("fanwire_bridge_publications_total", { shard: "0" })).toBe(0);
  });

  test("with other prefixes share nothing", async () => {
    const redis = await startRedis();
    const urls = [redis.url];
    const [one, other] = [
      await start({ redis: { urls, prefix: "one:" } }),
      await start({
        redis: { urls, prefix: "other:" },
        namespaces: { room: { mode: "volatile", history: undefined } },
      }),
    ];
    await one.publish("room:1", "hello");
    const peer = await joined(other, "room:1");
    await other.publish("room:1", "own");
    expect(await peer.next()).toMatchObject({ data: "own" });
  });
});

describe("a node whose Redis is away", () => {
  test("is not ready, says why, serves volatile locally, and publishes once what waited when it is back", async () => {
    const redis = await startRedis();
    const proxy = await proxyTo(redis);
    const [cut, whole] = [await start(through(proxy)), await start(through(redis))];
    const [near, far] = [await joined(cut, "room:1"), await joined(whole, "room:1")];
    const player = await joined(cut, "game:1");
    await proxy.cut();
    await until(async () => (await ready(cut)) === away);
    await cut.publish("game:1", "left");
    expect(await player.next()).toMatchObject({ data: "left" });
    const waiting = [cut.publish("room:1", 1), cut.publish("room:1", 2)];
    await whole.publish("room:1", 0);
    expect((await metrics(cut)).value("fanwire_bridge_queued_publications")).toBe(2);
    proxy.heal();
    await until(isReady(cut));
    expect(await Promise.all(waiting)).toMatchObject([{ offset: 2 }, { offset: 3 }]);
    for (const peer of [near, far]) {
      for (const data of [0, 1, 2]) expect(await peer.next()).toMatchObject({ type: "message", data });
    }
    const address = `redis://127.0.0.1:${proxy.port}`;
    const told = lines.filter((line) => line.address === address).map(({ event }) => event);
    expect([told[0], told[1], told.at(-1)]).toEqual(["redis-connected", "redis-lost", "redis-connected"]);
    expect((await metrics(cut)).sum("fanwire_bridge_resets_total")).toBe(0);
    const before = lines.length;
    await cut.close();
    expect(lines.slice(before).map(({ event }) => event)).toEqual(["draining", "closed"]);
  });

  test("refuses what it may not queue, at once or at its deadline", async () => {
    const redis = await startRedis();
    const proxy = await proxyTo(redis);
    const limits = { publishTimeoutMs: 300, maxQueuedPublications: 2 };
    const queueing = await start(through(proxy, { limits }));
    const refusing = await start(through(proxy, { redis: { queueWhileAway: false } }));
    await proxy.cut();
    for (const server of [queueing, refusing]) await until(async () => (await ready(server)) === away);
    expect(await rejection(refusing.publish("room:1", 0))).toMatchObject({ code: "unavailable" });
    const late = [queueing.publish("room:1", 1), queueing.publish("room:1", 2)].map(rejection);
    expect(await rejection(queueing.publish("room:1", 3))).toMatchObject({ code: "unavailable" });
    for (const refused of late) expect(await refused).toMatchObject({ code: "unavailable" });
  });

  test("starts all the same, warns now and then, and is ready once it finds it", async () => {
    const redis = await startRedis();
    await redis.kill();
    const server = await start(through(redis));
    expect(await ready(server)).toBe(away);
    expect(lines.filter(({ event }) => event === "redis-away")).toHaveLength(1);
    expect(lines.find(({ event }) => event === "redis-away")).toMatchObject({ address: redis.url });
    await redis.revive();
    await until(isReady(server));
    expect(await server.publish("room:1", "hello")).toMatchObject({ offset: 1 });
  });

  test("lets clients in, tells them that topics are unavailable, and tells of those it joined for them once it can", async () => {
    const redis = await startRedis();
    await redis.kill();
    const server = await start(through(redis, { limits: { publishTimeoutMs: 300 } }));
    const peer = await connect(server);
    expect(peer.connected).toMatchObject({ subscriptions: [] });
    for (const topic of ["room:1", "game:1"]) {
      const refused = await peer.request({ type: "subscribe", topic });
      expect(refused).toMatchObject({ type: "error", code: "unavailable", retryable: true });
    }
    await redis.revive();
    await until(isReady(server));
    const own = [await peer.next(), await peer.next()];
    expect(own.map(({ type, offset }) => [type, offset])).toEqual([
      ["reset", 0],
      ["reset", 0],
    ]);
    expect(own.map(({ topic }) => topic).sort()).toEqual(["broadcast:all", `user:${peer.connected.userId}`]);
    for (const topic of ["room:1", "game:1"]) {
      expect(await peer.request({ type: "subscribe", topic })).toMatchObject({ type: "ok" });
    }
  });

  test("ends soon, also where Redis takes everything and answers nothing", async () => {
    const redis = await startRedis();
    const proxy = await proxyTo(redis);
    const server = await start(through(proxy, { limits: { drainCloseMs: 100 } }));
    await joined(server, "room:1");
    proxy.stall();
    await server.close();
    expect(lines.at(-1)).toMatchObject({ event: "closed" });
    proxy.heal();
    await proxy.ended();
  });
});

describe("a node with two shards", () => {
  const topics = Array.from({ length: 12 }, (_, index) => `room:${index}`);
  const quick = { limits: { publishTimeoutMs: 500 } };

  /** Which of the topics can be published to, and what the others are refused with. */
  async function outcomes(server: Server): Promise<{ made: string[]; refused: unknown[] }> {
    const settled = await Promise.allSettled(topics.map((topic) => server.publish(topic, topic)));
    const refused = settled.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : []));
    return { made: topics.filter((_, index) => settled[index]!.status === "fulfilled"), refused };
  }

  test("goes on with the topics of the one that is there, says that it is not ready, and has them all again", async () => {
    const [one, two] = [await startRedis(), await startRedis()];
    const server = await start({ ...quick, redis: { urls: [one.url, two.url] } });
    const peer = await connect(server);
    for (const topic of topics) await peer.request({ type: "subscribe", topic });
    await two.kill();
    await until(async () => (await ready(server)) === away);
    const { made, refused } = await outcomes(server);
    expect(made.length).toBeGreaterThan(1);
    expect(refused).toEqual(Array.from({ length: topics.length - made.length }, () => "unavailable"));
    expect(refused.length).toBeGreaterThan(1);
    const heard = [];
    while (heard.length < made.length) heard.push((await peer.next()).data as string);
    expect(heard.sort()).toEqual([...made].sort());
    await two.revive();
    await until(isReady(server));
    expect(await outcomes(server)).toEqual({ made: topics, refused: [] });
  });

  test("of which one is away from the start has no topics until it knows where they are, and then all", async () => {
    const [one, two] = [await startRedis(), await startRedis()];
    await two.kill();
    const server = await start({ ...quick, redis: { urls: [one.url, two.url] } });
    expect(await ready(server)).toBe(away);
    expect((await outcomes(server)).made).toEqual([]);
    const peer = await connect(server);
    const refused = await peer.request({ type: "subscribe", topic: "room:1" });
    expect(refused).toMatchObject({ type: "error", code: "unavailable", retryable: true });
    await two.revive();
    await until(isReady(server));
    expect(await outcomes(server)).toEqual({ made: topics, refused: [] });
  });
});

describe("a start is refused", () => {
  test("where a namespace that other nodes have is of another mode here, and not where they do not have it", async () => {
    const redis = await startRedis();
    await start(through(redis, { namespaces: { fresh: { mode: "stream" } } }));
    await start(through(redis, { namespaces: { newer: { mode: "latest" } } }));
    const refused = await rejection(start(through(redis, { namespaces: { newer: { mode: "stream" } } })));
    expect(refused.message).toMatch(/^namespace newer is stream here and latest on the node /);
    const ready = await start(through(redis, { namespaces: { newer: { mode: "latest" } } }));
    expect(await ready.publish("room:1", 1)).toMatchObject({ offset: 1 });
  });

  test("where the shards are others, or two of them are one", async () => {
    const [one, two] = [await startRedis(), await startRedis()];
    await start({ redis: { urls: [one.url, two.url] } });
    await start({ redis: { urls: [two.address, one.address] } });
    const fewer = await rejection(start({ redis: { urls: [one.url] } }));
    expect(fewer.message).toMatch(/^the shards here are /);
    const doubled = await rejection(start({ redis: { urls: [one.url, one.address] } }));
    expect(doubled.message).toMatch(/^two of the addresses lead to the same Redis/);
  });

  test("where Redis wants another password, which is in no message and no log line", async () => {
    const redis = await startRedis("--requirepass", "s3cret-right");
    const urls = (password: string) => [`redis://:${password}@127.0.0.1:${redis.port}`];
    for (const given of [[redis.url], urls("s3cret-wrong")]) {
      const refused = await rejection(start({ redis: { urls: given } }));
      const line = `redis.urls.0 is "redis://127.0.0.1:${redis.port}": must be a Redis that lets this node in (`;
      expect(refused).toBeInstanceOf(ConfigError);
      expect(refused.message).toStartWith(line);
      expect(refused.message).toMatch(/\((NOAUTH|WRONGPASS) .*\)$/);
      expect(refused.message).not.toContain("s3cret");
    }
    const server = await start({ redis: { urls: urls("s3cret-right") } });
    expect(await server.publish("room:1", 1)).toMatchObject({ offset: 1 });
    await redis.kill();
    await until(() => lines.some(({ event }) => event === "redis-lost"));
    expect(JSON.stringify(lines)).not.toContain("s3cret");
  });
});

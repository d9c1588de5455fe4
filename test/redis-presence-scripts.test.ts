// The scripts of presence in a real Redis and in the model, side by side.

import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  type Call,
  connect,
  type RedisConnection,
  RedisError,
  type Reply,
} from "../src/bridge/connection.ts";
import { decodeEnvelope } from "../src/bridge/envelope.ts";
import { type Arrival, type InstanceSessions, PresenceStore } from "../src/bridge/store-presence.ts";
import type { Operation } from "../src/bridge/store-reply.ts";
import { PresenceWorld } from "./support/presence-world.ts";
import { Random } from "./support/random.ts";
import { RedisServer } from "./support/redis-server.ts";

const store = new PresenceStore("f:", () => {
  throw new Error("malformed");
});
const at = { instance: "a", topic: "room:1" };
const arrivals = (...sessions: string[]): Arrival[] =>
  sessions.map((sessionId) => ({ sessionId, userId: `user of ${sessionId}`, atMs: 7, info: { sessionId } }));

let server: RedisServer;
let redis: RedisConnection;
let heard: Uint8Array[] = [];

beforeAll(async () => {
  server = await RedisServer.start();
  const handlers = {
    message: (_: string, payload: Uint8Array) => heard.push(payload),
    closed: () => undefined,
  };
  redis = await connect(server.address, handlers, 5000);
});
afterAll(async () => {
  redis.close();
  await server.end();
});
beforeEach(async () => {
  await redis.run([command("FLUSHALL")]);
  heard = [];
});

const command = (name: string, ...args: (string | number)[]) => ({ command: name, args }) as unknown as Call;

async function run(...calls: Call[]): Promise<readonly Reply[]> {
  const replies = await redis.run(calls);
  for (const reply of replies) if (reply instanceof RedisError) throw reply;
  return replies as readonly Reply[];
}

async function ask<Answer>({ call, parse }: Operation<Answer>): Promise<Answer> {
  const [reply] = await redis.run([call]);
  return parse(reply);
}

/** The model's side of a comparison; hears what is published as Redis's subscriber does. */
class Model extends PresenceWorld {
  readonly heard: Uint8Array[] = [];

  override publish(channel: string, payload: Uint8Array): void {
    if (channel === "f:t:room:1") this.heard.push(payload);
  }
}

const instances = ["a", "b"];
const sessions = ["1", "2", "3"];

/** Something a node may ask of Redis, whether or not it makes sense where Redis stands. */
function anything(random: Random): Operation<unknown> {
  const instance = random.pick(instances);
  const where = { instance, topic: "room:1" };
  const fence = random.between(1, 2);
  const some = () => sessions.filter(() => random.below(2));
  const before = random.below(4);
  const revision = before + 1;
  switch (random.below(7)) {
    case 0:
    case 1: {
      const entering = arrivals(...some());
      const news = {
        exits: some().filter((id) => !entering.some(({ sessionId }) => sessionId === id)),
        arrivals: entering,
      };
      return store.change(where, fence, { instance, before, revision, news });
    }
    case 2: {
      const isLast = random.below(3) > 0;
      const page = { arrivals: arrivals(...some()), isFirst: random.below(3) > 0 };
      return store.replace(where, fence, revision, isLast ? { ...page, total: random.below(3) } : page);
    }
    case 3:
      return store.read("room:1", random.below(2) ? [["a", random.below(4)]] : [], random.pick([0, 2, 512]));
    case 4:
      return store.scan(where, "0", 1000);
    case 5:
      return store.scanTopics(instance, "0", 1000);
    default:
      return random.below(2) ? store.purge(instance, 1) : store.leases();
  }
}

/** Redis promises no order within hashes and sets, and the model scans in smaller pages. */
function comparable({ call, parse }: Operation<unknown>, reply: Reply): unknown {
  if (!("script" in call)) return reply;
  const byName = (list: readonly { readonly sessionId: string }[]) =>
    list.toSorted((one, other) => one.sessionId.localeCompare(other.sessionId));
  if (call.script === "readPresence") {
    const found = (parse(reply) as readonly InstanceSessions[]).map((one) => {
      const all = one.sessions;
      return { ...one, sessions: typeof all === "string" ? all : byName(all) };
    });
    return found.toSorted((one, other) => one.instance.localeCompare(other.instance));
  }
  if (call.script === "readLeases")
    return [...(parse(reply) as ReadonlyMap<string, number>)]
      .map(([name, leftMs]) => `${name} ${leftMs > 0}`)
      .sort();
  return reply;
}

/** All there is, by key; a hash's values as text. */
async function stored(): Promise<unknown> {
  const [keys] = await run(command("KEYS", "*"));
  const names = (keys as readonly Uint8Array[]).map(String).sort();
  const found: [string, unknown][] = [];
  for (const name of names) {
    const [type] = await run(command("TYPE", name));
    if (String(type) === "string") found.push([name, String((await run(command("GET", name)))[0])]);
    const list = String(type) === "hash" ? "HGETALL" : "SMEMBERS";
    if (String(type) === "string") continue;
    const items = ((await run(command(list, name)))[0] as readonly Uint8Array[]).map(String);
    const pairs =
      list === "HGETALL"
        ? items.flatMap((item, index) => (index % 2 ? [] : [[item, items[index + 1]]]))
        : items;
    found.push([name, pairs.sort()]);
  }
  return found;
}

function storedIn({ stored: { strings, hashes, sets } }: Model): unknown {
  const texts = (hash: Map<string, Uint8Array>) => [...hash].map(([field, value]) => [field, String(value)]);
  const found: [string, unknown][] = [
    ...[...strings].map(([key, value]): [string, unknown] => [key, value]),
    ...[...hashes]
      .filter(([, { size }]) => size > 0)
      .map(([key, hash]): [string, unknown] => [key, texts(hash).sort()]),
    ...[...sets]
      .filter(([, { size }]) => size > 0)
      .map(([key, set]): [string, unknown] => [key, [...set].sort()]),
  ];
  return found.sort(([one], [other]) => (one < other ? -1 : 1));
}

test("the model and Redis answer, publish and store the same, whatever they are asked", async () => {
  await redis.subscribe(["f:t:room:1"]);
  for (let seed = 1; seed <= 60; seed++) {
    const random = new Random(seed);
    const model = new Model();
    heard = [];
    await run(command("FLUSHALL"));
    for (let step = 0; step < 40; step++) {
      if (random.below(5) === 0) {
        const instance = random.pick(instances);
        const fence = String(random.between(1, 2));
        model.delete(`f:l:${instance}`);
        await run(command("DEL", `f:l:${instance}`), command("SADD", "f:L", instance));
        model.set("f:L").add(instance);
        if (random.below(4)) {
          model.stored.strings.set(`f:l:${instance}`, fence);
          await run(command("SET", `f:l:${instance}`, fence));
        }
      }
      const operation = anything(random);
      const { call } = operation;
      const [reply] = await run(call);
      const answers = [reply!, model.execute(call) as Reply].map((one) => comparable(operation, one));
      if (!("script" in call) || !call.script.startsWith("scan"))
        expect({ seed, step, call, answer: answers[0] }).toEqual({ seed, step, call, answer: answers[1] });
    }
    expect({ seed, stored: await stored() }).toEqual({ seed, stored: storedIn(model) });
    await run(command("PING"));
    expect(heard.map(String)).toEqual(model.heard.map(String));
  }
}, 30_000);

describe("presence in Redis", () => {
  const all = Array.from({ length: 3000 }, (_, index) => `session-${index}`);

  beforeEach(() => run(command("SET", "f:l:a", 1), command("SADD", "f:L", "a")));

  test("is read in pages where it is large, each session once at least", async () => {
    for (let from = 0; from < all.length; from += 500) {
      const page = { arrivals: arrivals(...all.slice(from, from + 500)), isFirst: from === 0 };
      const isLast = from + 500 === all.length;
      const told = await ask(store.replace(at, 1, 7, isLast ? { ...page, total: all.length } : page));
      expect(told).toBe("told");
    }
    expect(await ask(store.read("room:1", [], 512))).toEqual([
      { instance: "a", revision: 7, sessions: "too many" },
    ]);
    const found = new Set<string>();
    let cursor = "0";
    let pages = 0;
    do {
      const page = await ask(store.scan(at, cursor, 1000));
      for (const { sessionId } of page.arrivals) found.add(sessionId);
      cursor = page.cursor;
      pages += 1;
    } while (cursor !== "0");
    expect(found).toEqual(new Set(all));
    expect(pages).toBeGreaterThan(2);
  });

  test("is announced in the envelope that every node understands", async () => {
    await redis.subscribe(["f:t:room:1"]);
    const news = { exits: ["x"], arrivals: arrivals("1") };
    await ask(store.change(at, 1, { instance: "a", before: 0, revision: 5, news }));
    await run(command("PING"));
    const envelope = decodeEnvelope(heard[0]!);
    if (envelope?.kind !== "presence") throw new Error("another envelope");
    expect(store.decode(envelope)).toEqual({ instance: "a", before: 0, revision: 5, news });
  });

  test("takes 512 sessions with 4 KiB of info each in one call", async () => {
    const info = { about: "x".repeat(4096) };
    const many = all.slice(0, 512).map((sessionId) => ({ sessionId, userId: sessionId, atMs: 1, info }));
    const news = { exits: all.slice(1000, 1512), arrivals: many };
    const told = await ask(store.change(at, 1, { instance: "a", before: 0, revision: 1, news }));
    expect(told).toBe("told");
    expect((await ask(store.read("room:1", [], 512)))[0]?.sessions).toHaveLength(512);
  });
});

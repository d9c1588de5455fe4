// A real Redis and the model of one are given the same random calls: each reply and each message must be the same, byte for byte.

import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Retention } from "../src/bridge/bridge.ts";
import {
  type Call,
  connect,
  type RedisConnection,
  RedisError,
  type Reply,
} from "../src/bridge/connection.ts";
import { type Outgoing, outgoing, Store } from "../src/bridge/store.ts";
import { InstanceStore } from "../src/bridge/store-instances.ts";
import { StoreKeys } from "../src/bridge/store-keys.ts";
import { ModelRedis } from "./support/model-redis.ts";
import { Random } from "./support/random.ts";
import { RedisServer } from "./support/redis-server.ts";

const instances = ["a", "b", "c"];
const rules: Readonly<Record<string, Retention>> = {
  "room:1": { mode: "stream", history: { size: 7, ttlMs: 1000, maxBytes: 600 } },
  "room:2": { mode: "stream", history: { size: 40, ttlMs: 5000, maxBytes: 4000 } },
  "ticker:1": { mode: "latest", keyed: { maxKeys: 3, removalTtlMs: 500 } },
};
const topics = Object.keys(rules);
const keys = new StoreKeys("d:");
const leaseMs = 600_000;

/** Calls that nodes could make, in an order that no node would make them in. */
class Caller {
  readonly #random: Random;
  readonly #stores: readonly { readonly store: Store; readonly instances: InstanceStore }[];
  readonly #numbers = new Map<string, number>();
  readonly #fences = new Map<string, number>();
  /** Calls to be made again as they were, as after a connection that was lost. */
  readonly #made: Call[] = [];
  now = 1_000_000;
  #epochs = 0;
  /** The last one seen of each topic. */
  readonly epochs = new Map<string, string>();

  constructor(random: Random) {
    this.#random = random;
    const newEpoch = () => `epoch-${++this.#epochs}`;
    this.#stores = instances.map((instance) => ({
      store: new Store({ keys, instance, positionTtlMs: 3_600_000, idempotencyTtlMs: 400, newEpoch }),
      instances: new InstanceStore(keys, instance),
    }));
  }

  next(): Call {
    const random = this.#random;
    if (random.below(3) === 0) this.now += random.below(300);
    const chance = random.below(100);
    if (chance < 8 && this.#made.length > 0) return random.pick(this.#made);
    if (chance < 60) {
      const call = this.#append();
      this.#made.push(call);
      return call;
    }
    if (chance < 75) return this.#follow();
    return chance < 90 ? this.#history() : this.#ofInstances();
  }

  #append(): Call {
    const random = this.#random;
    const at = random.below(instances.length);
    const instance = instances[at]!;
    const topic = random.pick(topics);
    const number = (this.#numbers.get(instance + topic) ?? 0) + (random.below(20) === 0 ? 0 : 1);
    this.#numbers.set(instance + topic, number);
    const fence = (this.#fences.get(instance) ?? 1) - (random.below(20) === 0 ? 1 : 0);
    const publications = Array.from({ length: random.between(1, 5) }, () => this.#publication(topic));
    return this.#stores[at]!.store.append({ topic, number, fence, publications }, rules[topic]!, this.now)
      .call;
  }

  #publication(topic: string): Outgoing {
    const random = this.#random;
    const idempotencyKey = random.below(4) === 0 ? random.pick(["k", "l", "m"]) : undefined;
    const timestamp = this.now - random.below(50);
    const data = random.pick([
      random.below(1000),
      random.word(random.below(60)),
      { text: "é\u0000", list: [null, -1] },
    ]);
    const named = topic === "ticker:1" ? { key: random.pick(["a", "b", "c", "d", "e"]) } : {};
    const removed = topic === "ticker:1" && random.below(3) === 0 ? ({ removed: true } as const) : {};
    return outgoing({ data, timestamp, ...named, ...removed }, idempotencyKey);
  }

  #position(topic: string) {
    const random = this.#random;
    if (random.below(6) === 0) return undefined;
    const known = random.below(4) > 0 ? this.epochs.get(topic) : undefined;
    const epoch = known ?? `epoch-${random.between(1, this.#epochs + 1)}`;
    return { epoch, offset: random.below(60) };
  }

  #follow(): Call {
    const { store } = this.#random.pick(this.#stores);
    const topic = this.#random.pick(topics);
    const rule = rules[topic]!;
    if (rule.mode === "latest")
      return store.followLatest(topic, this.#position(topic), rule.keyed, this.now).call;
    return store.followStream(topic, this.#position(topic), this.#random.between(1, 20)).call;
  }

  #history(): Call {
    const { store } = this.#random.pick(this.#stores);
    const topic = this.#random.pick([...topics, "room:unknown"]);
    const rule = rules[topic];
    const history = rule?.mode === "stream" ? rule.history : { size: 0, ttlMs: 0, maxBytes: 0 };
    const after = this.#random.below(3) === 0 ? undefined : this.#random.below(60);
    return store.history(topic, after, this.#random.below(12), history, this.now).call;
  }

  #ofInstances(): Call {
    const random = this.#random;
    const at = random.below(instances.length);
    const instance = instances[at]!;
    const { instances: store } = this.#stores[at]!;
    const fence = (this.#fences.get(instance) ?? 1) + random.below(2);
    switch (random.below(6)) {
      case 0:
        return random.below(4) === 0 ? store.release(fence).call : store.renewLease(fence, leaseMs).call;
      case 1:
        return store.claimId(random.word(4)).call;
      case 2:
        return store.writeRegistry({ modes: { room: "stream" }, shards: [random.word(3)] }, leaseMs).call;
      case 3:
        return store.fence(Math.max(1, fence - random.below(3)), leaseMs).call;
      default:
        this.#fences.set(instance, fence);
        return store.fence(fence, leaseMs).call;
    }
  }

  /** Questions whose answers are sets, and have no order. */
  asks(): Call[] {
    const { instances: store } = this.#stores[0]!;
    return [store.readRegistry().call];
  }
}

interface Side {
  connection: RedisConnection;
  readonly messages: string[];
}

/** A reply as text, errors by their code: the rest of an error's words is no promise. */
function shown(reply: Reply | RedisError | undefined): unknown {
  if (reply instanceof RedisError) return `error ${reply.code}`;
  if (reply instanceof Uint8Array) return Buffer.from(reply).toString("latin1");
  return Array.isArray(reply) ? reply.map(shown) : reply;
}

const sorted = (replies: readonly (Reply | RedisError)[]) =>
  replies.map((reply) =>
    JSON.stringify(shown(reply))
      .split(/[[\],]+/)
      .sort(),
  );

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start();
});
afterAll(() => server.end());

function newModel(): ModelRedis {
  let ids = 0;
  // Everything happens at once, and what would take time never does.
  const after = (delayMs: number, work: () => void) => {
    if (delayMs === 0) queueMicrotask(work);
    return () => undefined;
  };
  const clock = { now: () => 0, after };
  return new ModelRedis({ clock, delayMs: () => 0, newId: () => `replid-${++ids}` });
}

async function open(use: typeof connect, address: string, messages: string[]): Promise<Side> {
  const message = (channel: string, payload: Uint8Array) => {
    messages.push(`${channel} ${Buffer.from(payload).toString("latin1")}`);
  };
  const connection = await use(address, { message, closed: () => undefined }, 5000);
  await connection.subscribe(topics.map((topic) => keys.channel(topic)));
  return { connection, messages };
}

async function compare(seed: number, calls: number): Promise<void> {
  const random = new Random(seed);
  const caller = new Caller(random);
  const model = newModel();
  await server.command("FLUSHALL");
  const openBoth = async (told: readonly string[][]) => [
    await open(connect, server.address, told[0]!),
    await open(model.connect, "model", told[1]!),
  ];
  let sides = await openBoth([[], []]);
  for (let done = 0; done < calls; ) {
    const run = Array.from({ length: random.between(1, 20) }, () => caller.next());
    done += run.length;
    const [real, modelled] = await Promise.all(sides.map(({ connection }) => connection.run(run)));
    for (const [index, call] of run.entries()) {
      const where = `seed ${seed}, ${JSON.stringify(call)}`;
      expect([where, shown(modelled![index])]).toEqual([where, shown(real![index])]);
      if (!("script" in call) || !call.script.startsWith("follow")) continue;
      const topic = topics.find((each) => keys.meta(each) === call.keys[0])!;
      caller.epochs.set(topic, shown((real![index] as readonly Reply[])[0]) as string);
    }
    const [known, guessed] = await Promise.all(sides.map(({ connection }) => connection.run(caller.asks())));
    expect(sorted(guessed!)).toEqual(sorted(known!));
    expect(sides[1]!.messages).toEqual(sides[0]!.messages);
    if (random.below(10) === 0) {
      const evicted = keys.meta(random.pick(topics));
      model.data.delete(evicted);
      await server.command("DEL", evicted);
    }
    if (random.below(12) > 0) continue;
    const keeps = random.below(2) === 0;
    for (const { connection } of sides) connection.close();
    model.restart(keeps ? "data" : "nothing");
    if (keeps) await server.restart();
    else {
      await server.kill();
      await server.revive({ isEmpty: true });
    }
    sides = await openBoth(sides.map(({ messages }) => messages));
  }
  expect(sides[0]!.messages.length).toBeGreaterThan(calls / 20);
  for (const { connection } of sides) connection.close();
}

test("the model answers random calls as a real Redis does, over restarts that keep or lose what there was", async () => {
  for (let seed = 1; seed <= 12; seed++) await compare(seed, 400);
}, 60_000);

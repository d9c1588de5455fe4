// Benchmark `redis-load`: what a publication asks of Redis, in commands and bytes, at several rates over few and many topics; two nodes,
// each with a subscriber of every topic.

import { type Connection, type Listener, openMany } from "../client/connection.ts";
import { PublishFrames } from "../client/payload.ts";
import { cpuBetween, readCpu } from "../measure/cpu.ts";
import type { Mode, RunSettings } from "../settings.ts";
import { type AskedProcess, startBareRedis } from "../targets/asked.ts";
import { type RedisCounts, type RedisProcess, startRedis } from "../targets/redis.ts";
import { cores, type EngineName, type ServerProcess, startServer } from "../targets/servers.ts";
import { bareBytesOf, perTurn } from "./cross-cpu.ts";

export interface RedisLoadPlan {
  readonly topics: readonly number[];
  readonly rates: readonly { readonly perSecond: number; readonly seconds: number }[];
  /** Of rest, with all topics joined: a whole rotation of the check of idle topics. */
  readonly restSeconds: number;
  readonly engines: readonly [EngineName, EngineName];
}

export const redisLoadPlanOf = (settings: RunSettings): RedisLoadPlan => {
  const [first = "bun", second = first] = settings.engines;
  return {
    engines: [first, second],
    ...(settings.quick
      ? {
          topics: [1, 20],
          rates: [
            { perSecond: 20, seconds: 1 },
            { perSecond: 500, seconds: 1 },
          ],
          restSeconds: 1,
        }
      : {
          topics: [1, 100, 10_000],
          rates: [
            { perSecond: 1, seconds: 30 },
            { perSecond: 100, seconds: 15 },
            { perSecond: 10_000, seconds: 6 },
          ],
          restSeconds: 16,
        }),
  };
};

const textBytes = 36;
const topicsPerConnection = 500;
/** On each node: publications come in one by one, over several connections. */
const publishersPerNode = 8;
const tickMs = 1;
const graceMs = 5000;

/** One window. `perSecond` 0: nothing was published. */
export interface LoadWindow {
  readonly mode: Mode | "bare";
  readonly topics: number;
  readonly perSecond: number;
  readonly planned: number;
  readonly published: number;
  /** How long publishing took, in seconds; at rest, how long was waited. */
  readonly seconds: number;
  readonly expected: number;
  readonly received: number;
  readonly counts: RedisCounts;
  readonly redisNs: number;
  /** Of both nodes, and how long the whole window took. */
  readonly nodesNs: number;
  readonly wallNs: number;
}

export interface RedisLoadComparison {
  readonly plan: RedisLoadPlan;
  readonly mode: Mode;
  readonly redisVersion: string;
  readonly windows: readonly LoadWindow[];
}

/** Hears all subscribers. */
class Count implements Listener {
  received = 0;

  message(): void {
    this.received++;
  }
}

const nameOf = (mode: Mode, topics: number, i: number): string =>
  `${mode === "volatile" ? "game" : "room"}:load-${topics}-${i}`;

/**
 * The nodes have one core and Redis has the generator's: no claim is made on time here, and the rates are to be reached.
 */
class Stand {
  readonly #redis: RedisProcess;
  readonly #nodes: readonly ServerProcess[];
  readonly #publishers: readonly Connection[];
  readonly #count = new Count();

  private constructor(
    redis: RedisProcess,
    nodes: readonly ServerProcess[],
    publishers: readonly Connection[],
  ) {
    this.#redis = redis;
    this.#nodes = nodes;
    this.#publishers = publishers;
  }

  static async start(engines: readonly EngineName[]): Promise<Stand> {
    const redis = await startRedis(cores.generator);
    const nodes: ServerProcess[] = [];
    const publishers: Connection[] = [];
    for (const engine of engines) {
      const node = await startServer("fanwire", engine, { redisUrl: redis.url });
      const target = { port: node.port, format: "json", query: "?join=none" } as const;
      publishers.push(...(await openMany(target, publishersPerNode)));
      nodes.push(node);
    }
    return new Stand(redis, nodes, publishers);
  }

  get redisVersion(): string {
    return this.#redis.version;
  }

  /** Every topic on every node. Answers how to leave them. */
  async join(mode: Mode, topics: number): Promise<() => void> {
    const connections: Connection[] = [];
    for (const { port } of this.#nodes) {
      const count = Math.ceil(topics / topicsPerConnection);
      const target = { port, format: "json", query: "?join=none" } as const;
      const subscribers = await openMany(target, count);
      connections.push(...subscribers);
      for (let from = 0; from < topics; from += 100) {
        const asked = Array.from({ length: Math.min(100, topics - from) }, (_, i) => {
          const subscriber = subscribers[Math.floor((from + i) / topicsPerConnection)] as Connection;
          return subscriber.request({ type: "subscribe", topic: nameOf(mode, topics, from + i) });
        });
        await Promise.all(asked);
      }
    }
    for (const connection of connections) connection.listener = this.#count;
    return () => {
      for (const connection of connections) connection.cut();
    };
  }

  async rest(mode: Mode, topics: number, seconds: number): Promise<LoadWindow> {
    const base = { mode, topics, perSecond: 0, planned: 0 };
    return this.#window(base, async () => {
      await Bun.sleep(seconds * 1000);
      return { published: 0, seconds };
    });
  }

  async load(mode: Mode, topics: number, perSecond: number, seconds: number): Promise<LoadWindow> {
    const planned = Math.round(perSecond * seconds);
    const frames = Array.from({ length: topics }, (_, i) =>
      new PublishFrames("json", nameOf(mode, topics, i), textBytes).at(0),
    );
    return this.#window({ mode, topics, perSecond, planned }, () =>
      publishEvenly(planned, perSecond, (i) => {
        const publisher = this.#publishers[i % this.#publishers.length] as Connection;
        publisher.write(frames[i % topics] as Buffer);
      }),
    );
  }

  async #window(
    base: Pick<LoadWindow, "mode" | "topics" | "perSecond" | "planned">,
    work: () => Promise<{ published: number; seconds: number }>,
  ): Promise<LoadWindow> {
    this.#count.received = 0;
    const expected = base.planned * this.#nodes.length;
    const counts = await this.#redis.counts();
    const startedAt = Bun.nanoseconds();
    const cpus = [this.#redis, ...this.#nodes].map(({ pid }) => [pid, readCpu(pid)] as const);
    const done = await work();
    const deadline = Bun.nanoseconds() + graceMs * 1e6;
    while (this.#count.received < expected && Bun.nanoseconds() < deadline) await Bun.sleep(5);
    const [redisNs = 0, ...nodes] = cpus.map(([pid, before]) => cpuBetween(before, readCpu(pid)).ns);
    const wallNs = Bun.nanoseconds() - startedAt;
    const after = this.#redis.between(counts, await this.#redis.counts());
    const nodesNs = nodes.reduce((sum, ns) => sum + ns, 0);
    const { received } = this.#count;
    return { ...base, ...done, expected, received, counts: after, redisNs, nodesNs, wallNs };
  }

  /** The least there can be: a message with the same publication, to two subscribers, by ioredis alone. */
  async bare(): Promise<LoadWindow> {
    const { url } = this.#redis;
    const [publisher, ...listeners] = await Promise.all(
      [0, 1, 2].map(() => startBareRedis("bun", url, { core: cores.server })),
    );
    for (const listener of listeners) await listener.ask({ listen: "bare" });
    const counts = await this.#redis.counts();
    const startedAt = Bun.nanoseconds();
    const cpu = readCpu(this.#redis.pid);
    const [turns, perSecond] = [1000, 1000];
    const messageBytes = bareBytesOf(perTurn);
    const { accepted } = await (publisher as AskedProcess).ask<{ accepted: number }>({
      publish: { channel: "bare", turns, perSecond, messagesPerTurn: 1, messageBytes },
    });
    await Bun.sleep(100);
    const redisNs = cpuBetween(cpu, readCpu(this.#redis.pid)).ns;
    const wallNs = Bun.nanoseconds() - startedAt;
    const after = this.#redis.between(counts, await this.#redis.counts());
    let received = 0;
    for (const listener of listeners) {
      received += (await listener.ask<{ messages: number }>({ heard: true })).messages;
      await listener.quit();
    }
    await publisher?.quit();
    return {
      ...{ mode: "bare", topics: 1, perSecond, planned: turns, published: accepted, seconds: wallNs / 1e9 },
      ...{ expected: 2 * turns, received, counts: after, redisNs, nodesNs: 0, wallNs },
    };
  }

  async stop(): Promise<void> {
    for (const publisher of this.#publishers) publisher.cut();
    for (const node of this.#nodes) await node.stop();
    await this.#redis.stop();
  }
}

/** What is due, each millisecond; open loop. Resolves to how many there were and how long it took. */
async function publishEvenly(
  planned: number,
  perSecond: number,
  publish: (i: number) => void,
): Promise<{ published: number; seconds: number }> {
  const startedAt = Bun.nanoseconds();
  let published = 0;
  while (published < planned) {
    const due = Math.min(planned, Math.floor(((Bun.nanoseconds() - startedAt) / 1e9) * perSecond) + 1);
    while (published < due) publish(published++);
    await Bun.sleep(Math.max(tickMs, perSecond < 100 ? 10 : tickMs));
  }
  return { published, seconds: (Bun.nanoseconds() - startedAt) / 1e9 };
}

export async function* redisLoad(settings: RunSettings): AsyncGenerator<RedisLoadComparison> {
  const plan = redisLoadPlanOf(settings);
  for (const mode of settings.modes) {
    const stand = await Stand.start(plan.engines);
    const windows: LoadWindow[] = [await stand.bare()];
    for (const topics of plan.topics) {
      const leave = await stand.join(mode, topics);
      windows.push(await stand.rest(mode, topics, plan.restSeconds));
      for (const { perSecond, seconds } of plan.rates) {
        windows.push(await stand.load(mode, topics, perSecond, seconds));
      }
      leave();
      // Until both nodes have let go of the topics.
      await Bun.sleep(settings.quick ? 0 : 8000);
    }
    await stand.stop();
    yield { plan, mode, redisVersion: stand.redisVersion, windows };
  }
}

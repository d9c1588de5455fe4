// Seeded accidents: nodes are killed, paused and drained, Redis is killed, paused and restarted, one of each kind at a time. Whatever
// it breaks it mends before it ends. Knows nothing of clients.

import type { Random } from "../support/random.ts";
import type { RedisServer } from "../support/redis-server.ts";
import type { Node } from "./node.ts";

export interface ChaosOptions {
  readonly nodes: readonly Node[];
  readonly redis: RedisServer;
  /** One for each kind, so that how long one takes does not change what the other does. */
  readonly randoms: { readonly nodes: Random; readonly redis: Random };
  readonly durationMs: number;
  /** How long something is paused or down at most. */
  readonly longestMs: number;
  readonly say: (what: string) => void;
}

const shortestMs = 200;

export class Chaos {
  /** How often each accident has happened. */
  readonly counts: Record<string, number> = {};
  redisRestarts = 0;
  readonly #options: ChaosOptions;

  constructor(options: ChaosOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { nodes, redis } = this.#options.randoms;
    await Promise.all([
      this.#again(nodes, ["killed", "paused", "drained"], 1, (what) => this.#hurtNode(what, nodes)),
      this.#again(redis, ["killed", "paused", "restarted"], 2, (what) => this.#hurtRedis(what, redis)),
    ]);
  }

  /** All of these in turn, in an order by chance, each with a time of peace after it. */
  async #again<const What extends string>(
    random: Random,
    kinds: readonly What[],
    calm: number,
    happen: (what: What) => Promise<void>,
  ): Promise<void> {
    const endMs = performance.now() + this.#options.durationMs;
    let left: readonly What[] = [];
    while (performance.now() < endMs) {
      if (left.length === 0) left = kinds;
      const next = random.pick(left);
      left = left.filter((kind) => kind !== next);
      await happen(next);
      await pause(this.#length(random) * calm);
    }
  }

  async #hurtNode(what: "killed" | "paused" | "drained", random: Random): Promise<void> {
    const node = random.pick(this.#options.nodes);
    const lengthMs = this.#length(random);
    this.#note(`node ${what}`, `${node.engine} on ${node.port}`, lengthMs);
    if (what === "paused") {
      node.signal("SIGSTOP");
      await pause(lengthMs);
      node.signal("SIGCONT");
      return;
    }
    await (what === "killed" ? node.kill() : node.drain());
    await pause(lengthMs);
    await node.revive();
  }

  async #hurtRedis(what: "killed" | "paused" | "restarted", random: Random): Promise<void> {
    const { redis } = this.#options;
    const lengthMs = this.#length(random);
    this.#note(`Redis ${what}`, "", lengthMs);
    if (what === "paused") {
      redis.pause();
      await pause(lengthMs);
      redis.resume();
      return;
    }
    this.redisRestarts += 1;
    if (what === "restarted") return redis.restart();
    await redis.kill();
    await pause(lengthMs);
    await redis.revive();
  }

  #length(random: Random): number {
    return random.between(shortestMs, this.#options.longestMs);
  }

  #note(what: string, which: string, lengthMs: number): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
    this.#options.say(`${what} ${which} ${lengthMs} ms`);
  }
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

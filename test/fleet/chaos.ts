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
      this.#again(nodes, 1, () => this.#hurtNode(nodes)),
      this.#again(redis, 3, () => this.#hurtRedis(redis)),
    ]);
  }

  /** With a time of peace after each, longer by `calm` than what happens. */
  async #again(random: Random, calm: number, happen: () => Promise<void>): Promise<void> {
    const endMs = performance.now() + this.#options.durationMs;
    while (performance.now() < endMs) {
      await happen();
      await pause(this.#length(random) * calm);
    }
  }

  async #hurtNode(random: Random): Promise<void> {
    const node = random.pick(this.#options.nodes);
    const what = random.pick(["killed", "paused", "drained"] as const);
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

  async #hurtRedis(random: Random): Promise<void> {
    const { redis } = this.#options;
    const what = random.pick(["killed", "paused", "restarted"] as const);
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

// The bridge of a single node: history in this process's memory, delivery by direct call.

import type { Bridge, BridgeEvents, HistoryPage, HistoryRule, Position, Publication } from "./bridge.ts";
import { StoredTopic } from "./stored-topic.ts";

export interface LocalBridgeOptions {
  /** The rule for a topic's history. */
  readonly historyRule: (topic: string) => HistoryRule;
  /** How many topics' histories are kept; above it the longest unused ones are forgotten, position and all. */
  readonly maxStoredTopics: number;
  readonly idempotencyTtlMs: number;
  readonly maxIdempotencyKeys: number;
  readonly now: () => number;
  readonly newEpoch: () => string;
}

/** How long a topic's position outlives its last use: a client that was away this long is still told the truth cheaply. */
const positionTtlMs = 3_600_000;
const sweepIntervalMs = 10_000;
/** How much of `maxStoredTopics` is freed at once, so that a full store is not searched for each new topic. */
const evictedShare = 0.05;

export class LocalBridge implements Bridge {
  readonly #options: LocalBridgeOptions;
  readonly #stored = new Map<string, StoredTopic>();
  readonly #joined = new Set<string>();
  #events: BridgeEvents | undefined;
  #sweeper: ReturnType<typeof setInterval> | undefined;

  constructor(options: LocalBridgeOptions) {
    this.#options = options;
  }

  async start(events: BridgeEvents): Promise<void> {
    this.#events = events;
    this.#sweeper = setInterval(() => this.sweep(), sweepIntervalMs);
    this.#sweeper.unref();
    events.alive(true);
  }

  async join(topic: string): Promise<void> {
    this.#joined.add(topic);
    this.#events?.joined(topic, this.#topic(topic).position);
  }

  leave(topic: string): void {
    this.#joined.delete(topic);
  }

  async publish(topic: string, publication: Publication, idempotencyKey?: string): Promise<Position> {
    const stored = this.#topic(topic);
    const now = this.#options.now();
    if (idempotencyKey !== undefined) {
      const first = stored.acceptedUnder(idempotencyKey, now);
      if (first) return first;
    }
    const positioned = stored.append(publication, this.#options.historyRule(topic), now);
    const position = stored.position;
    if (idempotencyKey !== undefined) {
      stored.remember(
        idempotencyKey,
        position,
        now + this.#options.idempotencyTtlMs,
        this.#options.maxIdempotencyKeys,
      );
    }
    if (this.#joined.has(topic)) this.#events?.deliver(topic, [positioned]);
    return position;
  }

  relay(): void {
    // There is no other node.
  }

  async history(topic: string, after: number | undefined, limit: number): Promise<HistoryPage> {
    const stored = this.#topic(topic);
    stored.expire(this.#options.historyRule(topic), this.#options.now());
    return stored.page(after, limit);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#stored.clear();
  }

  /** Forgets what is past its time. Runs by itself every 10 s. */
  sweep(): void {
    const now = this.#options.now();
    for (const [topic, stored] of this.#stored) {
      stored.expire(this.#options.historyRule(topic), now);
      if (stored.isEmpty && stored.usedAtMs + positionTtlMs <= now && !this.#joined.has(topic)) {
        this.#stored.delete(topic);
      }
    }
  }

  #topic(topic: string): StoredTopic {
    let stored = this.#stored.get(topic);
    if (!stored) {
      if (this.#stored.size >= this.#options.maxStoredTopics) this.#evict();
      stored = new StoredTopic(this.#options.newEpoch());
      this.#stored.set(topic, stored);
    }
    stored.usedAtMs = this.#options.now();
    return stored;
  }

  /** A forgotten topic begins a new epoch when it is used again, so whoever had a position in it is told `recovered: false`. */
  #evict(): void {
    const idle = [...this.#stored].filter(([topic]) => !this.#joined.has(topic));
    idle.sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    const count = Math.ceil(this.#options.maxStoredTopics * evictedShare);
    for (const [topic] of idle.slice(0, count)) this.#stored.delete(topic);
  }
}

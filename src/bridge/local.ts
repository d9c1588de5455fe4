// The bridge of a single node: topics in this process's memory, delivery by direct call.

import { AcceptedKeys } from "./accepted-keys.ts";
import type { Bridge, BridgeEvents, HistoryPage, Position, Publication, Retention } from "./bridge.ts";
import { LocalPresence } from "./local-presence.ts";
import type { Member, PresencePage } from "./presence.ts";
import { StoredHistory } from "./stored-history.ts";
import { StoredValues } from "./stored-values.ts";

export interface LocalBridgeOptions {
  readonly retention: (topic: string) => Retention;
  /** How many topics are kept; above it the longest unused ones are forgotten, position and all. */
  readonly maxStoredTopics: number;
  readonly idempotencyTtlMs: number;
  readonly maxIdempotencyKeys: number;
  readonly presenceGraceMs: number;
  readonly now: () => number;
  readonly newEpoch: () => string;
}

interface StoredTopic {
  readonly kept: StoredHistory | StoredValues;
  accepted: AcceptedKeys | undefined;
  /** Whether the node listens to it. */
  isJoined: boolean;
  usedAtMs: number;
}

/** How long a topic's position outlives its last use: a client that was away this long is still told the truth cheaply. */
const positionTtlMs = 3_600_000;
const sweepIntervalMs = 10_000;
/** How much of `maxStoredTopics` is freed at once, so that a full store is not searched for each new topic. */
const evictedShare = 0.05;
/** A volatile topic has a position too, which never moves. */
const nothing = { size: 0, ttlMs: 0 };

export class LocalBridge implements Bridge {
  readonly #options: LocalBridgeOptions;
  readonly #stored = new Map<string, StoredTopic>();
  readonly #presence: LocalPresence;
  /**
   * Of the topics that are made now. Many share it; after one was forgotten there is a new one, so that a topic never gets an epoch
   * that it had before.
   */
  #epoch: string | undefined;
  #events: BridgeEvents | undefined;
  #sweeper: ReturnType<typeof setInterval> | undefined;

  constructor(options: LocalBridgeOptions) {
    this.#options = options;
    this.#presence = new LocalPresence(
      { graceMs: options.presenceGraceMs, now: options.now },
      {
        came: (topic, ...news) => this.#listening(topic)?.came(topic, ...news),
        went: (topic, ...news) => this.#listening(topic)?.went(topic, ...news),
      },
    );
  }

  async start(events: BridgeEvents): Promise<void> {
    this.#events = events;
    this.#sweeper = setInterval(() => this.sweep(), sweepIntervalMs);
    this.#sweeper.unref();
    events.alive(true);
  }

  async join(topic: string): Promise<void> {
    const stored = this.#topic(topic);
    stored.isJoined = true;
    const { kept } = stored;
    if (kept instanceof StoredHistory) {
      this.#events?.joined(topic, kept.position);
      return;
    }
    kept.expire(this.#options.now());
    this.#events?.joined(topic, kept.position, kept.values, kept.forgottenOffset);
  }

  leave(topic: string): void {
    const stored = this.#stored.get(topic);
    if (stored) stored.isJoined = false;
  }

  async publish(topic: string, publication: Publication, idempotencyKey?: string): Promise<Position> {
    const stored = this.#topic(topic);
    const now = this.#options.now();
    const first = idempotencyKey === undefined ? undefined : stored.accepted?.get(idempotencyKey, now);
    if (first) return first;
    const positioned = stored.kept.append(publication, now);
    const { position } = stored.kept;
    if (idempotencyKey !== undefined) {
      const { idempotencyTtlMs, maxIdempotencyKeys } = this.#options;
      stored.accepted ??= new AcceptedKeys();
      stored.accepted.add(idempotencyKey, position, now + idempotencyTtlMs, maxIdempotencyKeys);
    }
    if (stored.isJoined) this.#events?.deliver(topic, [positioned]);
    return position;
  }

  relay(): void {
    // There is no other node.
  }

  async disconnect(userId: string, reason: string | undefined): Promise<void> {
    this.#events?.disconnect(userId, reason);
  }

  async history(topic: string, after: number | undefined, limit: number): Promise<HistoryPage> {
    const { kept } = this.#topic(topic);
    kept.expire(this.#options.now());
    return kept instanceof StoredHistory ? kept.page(after, limit) : { ...kept.position, publications: [] };
  }

  enter(topic: string, member: Member): void {
    this.#presence.enter(topic, member);
  }

  exit(topic: string, sessionId: string): void {
    this.#presence.exit(topic, sessionId);
  }

  async present(topic: string, limit: number): Promise<PresencePage> {
    return this.#presence.present(topic, limit);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#presence.close();
    this.#stored.clear();
  }

  /** Forgets what is past its time. Runs by itself every 10 s. */
  sweep(): void {
    const now = this.#options.now();
    this.#presence.expire();
    for (const [topic, stored] of this.#stored) {
      stored.kept.expire(now);
      stored.accepted?.expire(now);
      const isIdle = stored.usedAtMs + positionTtlMs <= now && !stored.isJoined;
      if (isIdle && stored.kept.isEmpty) this.#forget(topic);
    }
  }

  /** The node, if it joined the topic. */
  #listening(topic: string): BridgeEvents | undefined {
    return this.#stored.get(topic)?.isJoined ? this.#events : undefined;
  }

  #topic(topic: string): StoredTopic {
    let stored = this.#stored.get(topic);
    if (!stored) {
      if (this.#stored.size >= this.#options.maxStoredTopics) this.#evict();
      stored = { kept: this.#create(topic), accepted: undefined, isJoined: false, usedAtMs: 0 };
      this.#stored.set(topic, stored);
    }
    stored.usedAtMs = this.#options.now();
    return stored;
  }

  #create(topic: string): StoredHistory | StoredValues {
    const retention = this.#options.retention(topic);
    this.#epoch ??= this.#options.newEpoch();
    const epoch = this.#epoch;
    if (retention.mode === "latest") return new StoredValues(epoch, retention.keyed);
    return new StoredHistory(epoch, retention.mode === "stream" ? retention.history : nothing);
  }

  /** A forgotten topic begins a new epoch when it is used again, so whoever had a position in it is told so. */
  #evict(): void {
    const idle = [...this.#stored].filter(([, { isJoined }]) => !isJoined);
    idle.sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    const count = Math.ceil(this.#options.maxStoredTopics * evictedShare);
    for (const [topic] of idle.slice(0, count)) this.#forget(topic);
  }

  #forget(topic: string): void {
    this.#stored.delete(topic);
    this.#epoch = undefined;
  }
}

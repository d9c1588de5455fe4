// The bridge of a single node: topics in this process's memory, delivery by direct call.

import { AcceptedKeys, memoryOfKey } from "./accepted-keys.ts";
import type { Bridge, BridgeEvents, HistoryPage, Position, Publication, Retention } from "./bridge.ts";
import { historyRuleOf } from "./history-rule.ts";
import { LocalPresence } from "./local-presence.ts";
import { memoryOf } from "./memory-estimate.ts";
import type { Member, PresencePage } from "./presence.ts";
import { StoredHistory } from "./stored-history.ts";
import { StoredValues } from "./stored-values.ts";
import { TopicStore } from "./topic-store.ts";

export interface LocalBridgeOptions {
  readonly retention: (topic: string) => Retention;
  /** How many topics are kept; above it the longest unused ones are forgotten, position and all. */
  readonly maxStoredTopics: number;
  /** About the memory of all publications and idempotency keys; above it the longest unused topics lose theirs. */
  readonly maxStoredBytes: number;
  readonly idempotencyTtlMs: number;
  readonly maxIdempotencyKeys: number;
  readonly presenceGraceMs: number;
  readonly now: () => number;
  readonly newEpoch: () => string;
}

const sweepIntervalMs = 10_000;
/** A volatile topic has a position too, which never moves. */
const nowhere: Position = { epoch: "0", offset: 0 };

export class LocalBridge implements Bridge {
  readonly #options: LocalBridgeOptions;
  readonly #store: TopicStore;
  /** Volatile topics that the node listens to. There is nothing of them to store. */
  readonly #volatile = new Set<string>();
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
    this.#store = new TopicStore({
      maxTopics: options.maxStoredTopics,
      maxBytes: options.maxStoredBytes,
      create: (topic) => this.#create(topic),
      forgot: () => {
        this.#epoch = undefined;
      },
      now: options.now,
    });
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
    if (this.#options.retention(topic).mode === "volatile") {
      this.#volatile.add(topic);
      this.#events?.joined(topic, nowhere);
      return;
    }
    const stored = this.#store.use(topic, this.#options.now());
    const { kept } = stored;
    this.#store.setJoined(topic, true);
    if (kept instanceof StoredHistory) {
      this.#events?.joined(topic, kept.position);
      return;
    }
    kept.expire(this.#options.now());
    this.#store.changed(stored);
    this.#events?.joined(topic, kept.position, kept.values, kept.forgottenOffset);
  }

  leave(topic: string): void {
    if (!this.#volatile.delete(topic)) this.#store.setJoined(topic, false);
  }

  publish(topic: string, publication: Publication, idempotencyKey?: string): Position {
    const now = this.#options.now();
    const stored = this.#store.use(topic, now);
    const first = idempotencyKey === undefined ? undefined : stored.accepted?.get(idempotencyKey, now);
    if (first) return first;
    const bytes = memoryOf(publication);
    this.#store.makeRoom(bytes + (idempotencyKey === undefined ? 0 : memoryOfKey(idempotencyKey)), stored);
    const positioned = stored.kept.append(publication, now, bytes);
    const { position } = stored.kept;
    if (idempotencyKey !== undefined) {
      const { idempotencyTtlMs, maxIdempotencyKeys } = this.#options;
      stored.accepted ??= new AcceptedKeys();
      stored.accepted.add(idempotencyKey, position, now + idempotencyTtlMs, maxIdempotencyKeys);
    }
    this.#store.changed(stored);
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
    // Asking leaves nothing behind, or a stranger's questions could push out what others keep.
    if (!this.#store.find(topic)) return { epoch: this.#presentEpoch(), offset: 0, publications: [] };
    const now = this.#options.now();
    const stored = this.#store.use(topic, now);
    const { kept } = stored;
    kept.expire(now);
    this.#store.changed(stored);
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
    this.#store.clear();
  }

  /** Forgets what is past its time. Runs by itself every 10 s. */
  sweep(): void {
    this.#presence.expire();
    this.#store.expire();
  }

  /** The node, if it joined the topic. */
  #listening(topic: string): BridgeEvents | undefined {
    return this.#store.find(topic)?.isJoined || this.#volatile.has(topic) ? this.#events : undefined;
  }

  #presentEpoch(): string {
    this.#epoch ??= this.#options.newEpoch();
    return this.#epoch;
  }

  #create(topic: string): StoredHistory | StoredValues {
    const retention = this.#options.retention(topic);
    const epoch = this.#presentEpoch();
    if (retention.mode === "latest") return new StoredValues(epoch, retention.keyed);
    return new StoredHistory(epoch, historyRuleOf(retention));
  }
}

// The topics of a single node within its bounds of number and memory: what is longest unused is forgotten first.

import { FanwireError } from "../errors.ts";
import type { AcceptedKeys } from "./accepted-keys.ts";
import { StoredHistory } from "./stored-history.ts";
import type { StoredValues } from "./stored-values.ts";

export interface TopicStoreOptions {
  readonly maxTopics: number;
  /** About the memory of all publications and idempotency keys. */
  readonly maxBytes: number;
  readonly create: (topic: string) => StoredHistory | StoredValues;
  /** Called when a topic was forgotten, position and all: it must begin a new epoch when it is used again. */
  readonly forgot: () => void;
  readonly now: () => number;
}

export interface StoredTopic {
  readonly name: string;
  readonly kept: StoredHistory | StoredValues;
  accepted: AcceptedKeys | undefined;
  /** Whether the node listens to it. The store says so. */
  isJoined: boolean;
  /** To a second, as the orders of use are. The store's alone. */
  usedAtMs: number;
  /** What of the store's bytes is this topic's. The store's alone. */
  bytes: number;
}

/** How long a topic's position outlives its last use: a client that was away this long is still told the truth cheaply. */
const positionTtlMs = 3_600_000;
/** How much of a bound is freed at once, so that a full store is not gone through for each new topic or publication. */
const freedShare = 0.05;
/** Where nothing could be freed, it takes so long until that is tried again. */
const retryMs = 1000;
/** A topic that was last used less than so long ago keeps its place in the orders of use: moving it is dear. */
const placeMs = 1000;

export class TopicStore {
  readonly #options: TopicStoreOptions;
  readonly #topics = new Map<string, StoredTopic>();
  /** Topics nobody listens to, the longest unused first. */
  readonly #idle = new Set<StoredTopic>();
  /** Topics with publications or idempotency keys, the longest unused first. */
  readonly #filled = new Set<StoredTopic>();
  #bytes = 0;
  #triesAgainMs = 0;

  constructor(options: TopicStoreOptions) {
    this.#options = options;
  }

  /** About the memory of all publications and idempotency keys. */
  get bytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#topics.size;
  }

  find(name: string): StoredTopic | undefined {
    return this.#topics.get(name);
  }

  /** A topic that is used now, new if need be. Throws FanwireError `unavailable` where there is no place for a new one. */
  use(name: string, nowMs: number): StoredTopic {
    let entry = this.#topics.get(name);
    if (!entry) {
      if (this.#topics.size >= this.#options.maxTopics) this.#forgetIdle();
      const kept = this.#options.create(name);
      entry = { name, kept, accepted: undefined, isJoined: false, usedAtMs: nowMs, bytes: 0 };
      this.#topics.set(name, entry);
      this.#idle.add(entry);
    } else if (nowMs - entry.usedAtMs >= placeMs || nowMs < entry.usedAtMs) this.#moveLast(entry, nowMs);
    return entry;
  }

  /** Whether the node listens to a topic from now on. */
  setJoined(name: string, isJoined: boolean): void {
    const entry = this.#topics.get(name);
    if (!entry) return;
    entry.isJoined = isJoined;
    if (isJoined) this.#idle.delete(entry);
    this.#moveLast(entry, this.#options.now());
  }

  /**
   * Makes room for a publication of a topic. A history that loses what it had is only shorter, whoever listens; values can go
   * only together with their topic, and that only where nobody listens. Keys go last, because nobody is told that they are gone.
   * Throws FanwireError `unavailable` where too little can go.
   */
  makeRoom(bytes: number, entry: StoredTopic): void {
    const { maxBytes, now } = this.#options;
    if (this.#bytes + bytes <= maxBytes) return;
    if (now() >= this.#triesAgainMs) this.#free(maxBytes * (1 - freedShare) - bytes, entry);
    if (this.#bytes + bytes <= maxBytes) return;
    if (now() >= this.#triesAgainMs) this.#triesAgainMs = now() + retryMs;
    throw new FanwireError("unavailable", "This node has no memory left for what topics keep.");
  }

  /** To be called after what a topic keeps has changed. */
  changed(entry: StoredTopic): void {
    const bytes = entry.kept.bytes + (entry.accepted?.bytes ?? 0);
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    if (entry.kept.isEmpty && !entry.accepted) this.#filled.delete(entry);
    else this.#filled.add(entry);
  }

  /** Forgets what is past its time. */
  expire(): void {
    const now = this.#options.now();
    for (const entry of this.#filled) {
      entry.kept.expire(now);
      entry.accepted?.expire(now);
      if (entry.accepted?.isEmpty) entry.accepted = undefined;
      this.changed(entry);
    }
    for (const entry of this.#idle) {
      if (entry.usedAtMs + positionTtlMs > now) break;
      if (!this.#filled.has(entry)) this.#forget(entry);
    }
  }

  clear(): void {
    for (const entry of this.#topics.values()) this.#forget(entry);
  }

  #moveLast(entry: StoredTopic, nowMs: number): void {
    entry.usedAtMs = nowMs;
    if (!entry.isJoined) moveLast(this.#idle, entry);
    if (this.#filled.has(entry)) moveLast(this.#filled, entry);
  }

  #free(mostBytes: number, except: StoredTopic): void {
    for (const entry of this.#filled) {
      if (this.#bytes <= mostBytes) return;
      if (entry.kept instanceof StoredHistory) {
        entry.kept.clear();
        this.changed(entry);
      } else if (!entry.isJoined && entry !== except) {
        this.#forget(entry);
      }
    }
    for (const entry of this.#filled) {
      if (this.#bytes <= mostBytes) return;
      entry.accepted = undefined;
      this.changed(entry);
    }
  }

  #forgetIdle(): void {
    let count = Math.ceil(this.#options.maxTopics * freedShare);
    if (this.#idle.size === 0) {
      throw new FanwireError("unavailable", "This node listens to as many topics as it may keep.");
    }
    for (const entry of this.#idle) {
      this.#forget(entry);
      count -= 1;
      if (count === 0) return;
    }
  }

  #forget(entry: StoredTopic): void {
    this.#topics.delete(entry.name);
    this.#idle.delete(entry);
    this.#filled.delete(entry);
    this.#bytes -= entry.bytes;
    this.#options.forgot();
  }
}

function moveLast(order: Set<StoredTopic>, entry: StoredTopic): void {
  order.delete(entry);
  order.add(entry);
}

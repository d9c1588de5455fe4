// The keys of a model Redis, each with a value of one kind and perhaps an end; knows no scripts and no connections.

import type { Argument } from "../../src/bridge/connection.ts";

export const text = (argument: Argument | undefined): string =>
  argument instanceof Uint8Array ? Buffer.from(argument).toString() : String(argument);

export const bytes = (argument: Argument): Uint8Array =>
  argument instanceof Uint8Array ? argument : Buffer.from(String(argument));

/** Where a `stream` or `latest` topic stands: the hash of a real Redis, with its numbers as numbers. */
export interface ModelMeta {
  epoch: string;
  offset: number;
  replid: string;
  begins: number;
  previous: string;
  forgotten: number;
  /** The last batch of each publishing instance. */
  readonly records: Map<
    string,
    { batch: number; at: number; reply: readonly [string, number, number, string] }
  >;
}

/** A stream's entry and its line in the ledger. */
export interface ModelEntry {
  readonly last: number;
  readonly oldest: number;
  readonly payload: Uint8Array;
}

export interface ModelValue {
  offset: number;
  isRemoval: boolean;
  readonly item: Uint8Array;
}

interface Slot {
  value: unknown;
  endsAtMs: number;
}

const never = Number.POSITIVE_INFINITY;

/** What is empty is not there, as in Redis, although a place for it may be. */
function isThere(value: unknown): boolean {
  if (value instanceof Map || value instanceof Set) return value.size > 0;
  return !Array.isArray(value) || value.length > 0;
}

export class ModelData {
  readonly #now: () => number;
  readonly #publish: (channel: string, payload: Uint8Array) => void;
  #slots = new Map<string, Slot>();

  constructor(now: () => number, publish: (channel: string, payload: Uint8Array) => void) {
    this.#now = now;
    this.#publish = publish;
  }

  string(key: string): string | undefined {
    return this.#slot(key)?.value as string | undefined;
  }

  setString(key: string, value: string, ttlMs = never): void {
    this.#slots.set(key, { value, endsAtMs: this.#now() + ttlMs });
  }

  /** The one stored, or an empty one that is stored with its first entry. */
  hash(key: string): Map<string, Uint8Array> {
    return this.#place(key, () => new Map());
  }

  set(key: string): Set<string> {
    return this.#place(key, () => new Set());
  }

  meta(key: string): ModelMeta | undefined {
    return this.#slot(key)?.value as ModelMeta | undefined;
  }

  setMeta(key: string, meta: ModelMeta): void {
    this.#slots.set(key, { value: meta, endsAtMs: never });
  }

  stream(key: string): ModelEntry[] {
    return this.#place(key, () => []);
  }

  /** Each key's newest value, in the order of their offsets. */
  values(key: string): Map<string, ModelValue> {
    return this.#place(key, () => new Map());
  }

  exists(key: string): boolean {
    return this.#slot(key) !== undefined;
  }

  delete(key: string): void {
    this.#slots.delete(key);
  }

  rename(from: string, to: string): void {
    const slot = this.#slot(from);
    this.#slots.delete(from);
    if (slot) this.#slots.set(to, slot);
  }

  /** Milliseconds left, -1 without an end, -2 without the key. */
  leftMs(key: string): number {
    const slot = this.#slot(key);
    if (!slot) return -2;
    return slot.endsAtMs === never ? -1 : slot.endsAtMs - this.#now();
  }

  expire(key: string, afterMs: number | undefined): void {
    const slot = this.#slot(key);
    if (slot) slot.endsAtMs = afterMs === undefined ? never : this.#now() + afterMs;
  }

  publish(channel: string, payload: Uint8Array): void {
    this.#publish(channel, payload);
  }

  /** A copy of everything, to return to. */
  snapshot(): unknown {
    return structuredClone(this.#slots);
  }

  restore(snapshot: unknown): void {
    this.#slots = structuredClone(snapshot) as Map<string, Slot>;
  }

  clear(): void {
    this.#slots.clear();
  }

  #slot(key: string): Slot | undefined {
    const slot = this.#slots.get(key);
    if (!slot) return undefined;
    if (slot.endsAtMs > this.#now()) return isThere(slot.value) ? slot : undefined;
    this.#slots.delete(key);
    return undefined;
  }

  #place<Value>(key: string, create: () => Value): Value {
    const slot = this.#slot(key);
    if (slot) return slot.value as Value;
    // An end belongs to what was there, and not to what comes after it.
    const value = this.#slots.get(key)?.value ?? create();
    this.#slots.set(key, { value, endsAtMs: never });
    return value as Value;
  }
}

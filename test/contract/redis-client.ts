// One node's view of the Redis under test, and what the suite's parts have in common; knows no test.

import type { Publication, Retention } from "../../src/bridge/bridge.ts";
import type { Connect, ConnectionHandlers, RedisConnection } from "../../src/bridge/connection.ts";
import { type Appended, type Batch, outgoing, Store } from "../../src/bridge/store.ts";
import { InstanceStore } from "../../src/bridge/store-instances.ts";
import { StoreKeys } from "../../src/bridge/store-keys.ts";
import type { Operation } from "../../src/bridge/store-reply.ts";

export interface RedisUnderTest {
  readonly address: string;
  readonly connect: Connect;
  /** Ends every connection from the other side. */
  killConnections(): Promise<void>;
  flushScripts(): Promise<void>;
  restart(keepsData: boolean): Promise<void>;
  pause(): void;
  resume(): void;
  end(): Promise<void>;
}

/** The time of the suite, where a test does not move it. */
export const startsAt = 1_000_000;
export const streamRule: Retention = {
  mode: "stream",
  history: { size: 5, ttlMs: 60_000, maxBytes: 10_000 },
};
export const latestRule: Retention = { mode: "latest", keyed: { maxKeys: 3, removalTtlMs: 60_000 } };
export const idempotencyTtlMs = 10_000;
export const leaseMs = 60_000;

/** One node's view of the Redis under test. */
export class RedisClient implements ConnectionHandlers {
  readonly instance: string;
  readonly keys = new StoreKeys("test:");
  readonly store: Store;
  readonly instances: InstanceStore;
  readonly messages: { readonly channel: string; readonly payload: Uint8Array }[] = [];
  readonly reasons: string[] = [];
  connection!: RedisConnection;
  #listeners = new Set<() => void>();

  constructor(instance: string, newEpoch: () => string) {
    this.instance = instance;
    const { keys } = this;
    this.store = new Store({ keys, instance, positionTtlMs: 3_600_000, idempotencyTtlMs, newEpoch });
    this.instances = new InstanceStore(keys, instance);
  }

  async open({ connect, address }: RedisUnderTest): Promise<this> {
    this.connection = await connect(address, this, 5000);
    return this;
  }

  message(channel: string, payload: Uint8Array): void {
    this.messages.push({ channel, payload: Uint8Array.prototype.slice.call(payload) });
    this.#changed();
  }

  closed(reason: string): void {
    this.reasons.push(reason);
    this.#changed();
  }

  async ask<Result>({ call, parse }: Operation<Result>): Promise<Result> {
    const [reply] = await this.connection.run([call]);
    return parse(reply);
  }

  /** Appends under fence 1, which holds. */
  async append(batch: Batch, retention = streamRule, now = startsAt): Promise<Appended> {
    const appended = await this.ask(this.store.append(batch, retention, now));
    if (appended === "fenced") throw new Error("fenced");
    return appended;
  }

  /** Resolves once `condition` holds; it is looked at after each event of the connection. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#listeners.add(resolve));
  }

  #changed(): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    for (const listener of listeners) listener();
  }
}

/** Batches of a topic are numbered by the test. An item is data, or data under an idempotency key. */
export function batchOf(topic: string, number: number, ...data: readonly (unknown | Keyed)[]): Batch {
  const publications = data.map((each) =>
    each instanceof Keyed
      ? outgoing({ data: each.data, timestamp: startsAt }, each.key)
      : outgoing({ data: each, timestamp: startsAt }),
  );
  return { topic, number, fence: 1, publications };
}

export class Keyed {
  readonly key: string;
  readonly data: unknown;

  constructor(key: string, data: unknown) {
    this.key = key;
    this.data = data;
  }
}

/** `offset data`, for each. */
export function lines(publications: readonly (Publication & { readonly offset: number })[]): string[] {
  return publications.map(({ offset, data }) => `${offset} ${data}`);
}

export interface Fixture {
  readonly under: RedisUnderTest;
  /** A node that holds fence 1. */
  client(instance?: string): Promise<RedisClient>;
}

// The bridge between nodes over Redis: one or several of them, independent of each other, and each topic on one. Routes calls to
// shards and makes one answer of theirs; what a shard does is its own.

import { FanwireError } from "../errors.ts";
import type { Bridge, BridgeEvents, HistoryPage, Position, Publication, Retention } from "./bridge.ts";
import type { Connect } from "./connection.ts";
import type { Member, PresencePage } from "./presence.ts";
import { Budget } from "./redis/budget.ts";
import type { Clock } from "./redis/clock.ts";
import { type Ask, type FencedLink, Link, type LinkEvents, type LinkTiming } from "./redis/link.ts";
import { compareEntries, RegistryConflict } from "./redis/registry.ts";
import { Rendezvous } from "./redis/rendezvous.ts";
import { Shard, type ShardPresence } from "./redis/shard.ts";
import { Store } from "./store.ts";
import { InstanceStore, type RegistryEntry } from "./store-instances.ts";
import { StoreKeys } from "./store-keys.ts";

export interface RedisBridgeOptions {
  /** One address for each shard, as `Connect` takes it. */
  readonly addresses: readonly string[];
  /** What all keys and channels begin with: deployments that share a Redis have different ones. */
  readonly prefix: string;
  /** The mode of each namespace, for the other nodes to compare. */
  readonly namespaces: Readonly<Record<string, Retention["mode"]>>;
  readonly retention: (topic: string) => Retention;
  /** Whether who is in a topic is of interest to this node. */
  readonly hasPresence: (topic: string) => boolean;
  readonly idempotencyTtlMs: number;
  /** How long a topic that nobody uses keeps its position. */
  readonly positionTtlMs: number;
  /** After so long a publication fails that Redis did not confirm; joining a topic takes no longer either. */
  readonly publishTimeoutMs: number;
  /** What may wait to be published, on this node. */
  readonly maxQueuedPublications: number;
  readonly maxQueuedBytes: number;
  /** Whether publications wait for a Redis that is away until their time is over, or fail at once. */
  readonly queueWhileAway: boolean;
  readonly timing: LinkTiming;
  readonly connect: Connect;
  readonly clock: Clock;
  /** From 0 to less than 1. */
  readonly random: () => number;
  /** Never the same twice on any node: letters, digits, `_` and `-`. */
  readonly newId: () => string;
  readonly createPresence: (context: PresenceContext) => ShardPresence;
  readonly observer: RedisBridgeObserver;
}

export interface PresenceContext {
  readonly instance: string;
  readonly link: FencedLink;
  readonly node: BridgeEvents;
  readonly malformed: () => void;
}

/** What a log is told. No text has a password in it. */
export interface RedisBridgeObserver {
  /** `shard`: the place of its address. */
  connected(shard: number): void;
  lost(shard: number, reason: string): void;
  /** An attempt to connect came to nothing; the next one follows. `isConflict`: because this node may not join the others. */
  failed(shard: number, reason: string, isConflict: boolean): void;
}

/** A Redis that does not let this node in: no attempt will help. */
export class NotLetIn extends Error {
  /** The place of its address. */
  readonly shard: number;

  constructor(shard: number, reason: string) {
    super(reason);
    this.name = "NotLetIn";
    this.shard = shard;
  }
}

const notLetIn = /^(WRONGPASS|NOAUTH|NOPERM)\b/;

export class RedisBridge implements Bridge {
  readonly shards: readonly Shard[];
  readonly budget: Budget;
  /** This server instance among all nodes'. */
  readonly instance: string;
  readonly #options: RedisBridgeOptions;
  readonly #keys: StoreKeys;
  readonly #store: Store;
  readonly #instances: InstanceStore;
  readonly #ids: (string | undefined)[];
  /** Those who wait until all ids are known. */
  readonly #unplaced: (() => void)[] = [];
  #placement: Rendezvous | undefined;
  #node: BridgeEvents | undefined;
  #isAlive = false;
  #isClosed = false;
  #start: { resolve(): void; reject(failure: Error): void } | undefined;

  constructor(options: RedisBridgeOptions) {
    this.#options = options;
    this.instance = options.newId();
    this.budget = new Budget(options.maxQueuedPublications, options.maxQueuedBytes);
    this.#ids = options.addresses.map(() => undefined);
    const { prefix, idempotencyTtlMs, positionTtlMs, newId: newEpoch } = options;
    const keys = new StoreKeys(prefix);
    this.#keys = keys;
    this.#store = new Store({ keys, instance: this.instance, idempotencyTtlMs, positionTtlMs, newEpoch });
    this.#instances = new InstanceStore(keys, this.instance);
    this.shards = options.addresses.map((address, index) => this.#createShard(address, index));
  }

  /**
   * As in the contract; where a Redis is away, resolves when that is known. Rejects with a RegistryConflict where this node may
   * not work with those that are there, and with NotLetIn where a Redis does not let it in.
   */
  start(node: BridgeEvents): Promise<void> {
    this.#node = node;
    return new Promise((resolve, reject) => {
      this.#start = { resolve, reject };
      for (const { link } of this.shards) link.open();
    });
  }

  async join(topic: string): Promise<void> {
    await this.#shardOf(topic).following.join(topic);
  }

  leave(topic: string): void {
    this.#placedShard(topic)?.following.leave(topic);
  }

  publish(topic: string, publication: Publication, idempotencyKey?: string): Promise<Position> {
    const shard = this.#placedShard(topic);
    if (!shard) return Promise.reject(unplaced());
    try {
      return shard.publish(topic, publication, idempotencyKey);
    } catch (fault) {
      return Promise.reject(
        new FanwireError("bad-data", "The publication cannot be encoded.", { cause: fault }),
      );
    }
  }

  relay(topic: string, publication: Publication): void {
    this.#placedShard(topic)?.relay(topic, publication);
  }

  async disconnect(userId: string, reason: string | undefined): Promise<void> {
    const shard = this.shards.find(({ link }) => link.isConnected);
    if (!shard) throw new FanwireError("unavailable", "Redis is away.");
    await shard.disconnect(userId, reason);
    this.#node?.disconnect(userId, reason);
  }

  async history(topic: string, after: number | undefined, limit: number): Promise<HistoryPage> {
    return this.#shardOf(topic).history(topic, after, limit);
  }

  enter(topic: string, member: Member): void {
    this.#placedShard(topic)?.presence.enter(topic, member);
  }

  exit(topic: string, sessionId: string): void {
    this.#placedShard(topic)?.presence.exit(topic, sessionId);
  }

  async present(topic: string, limit: number): Promise<PresencePage> {
    return this.#shardOf(topic).presence.present(topic, limit);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#start?.reject(new Error("the bridge was closed"));
    this.#start = undefined;
    await Promise.all(this.shards.map((shard) => shard.close()));
  }

  #createShard(address: string, index: number): Shard {
    const options = this.#options;
    const { observer } = options;
    const store = this.#store;
    const node = this.#nodeEvents();
    const common = { instance: this.instance, keys: this.#keys };
    return new Shard({
      ...options,
      ...common,
      store,
      budget: this.budget,
      node,
      createLink: (events: LinkEvents) =>
        new Link({
          ...options,
          ...common,
          address,
          events,
          instances: this.#instances,
          probe: (number) => store.probe(number).call,
        }),
      createPresence: (link, malformed) =>
        options.createPresence({ instance: this.instance, link, node, malformed }),
      events: {
        admit: (id, ask) => this.#admit(index, id, ask),
        connected: () => observer.connected(index),
        lost: (reason) => {
          if (!this.#isClosed) observer.lost(index, reason);
        },
        alive: () => this.#aliveChanged(),
        failed: (reason, failure) => this.#failed(index, reason, failure),
      },
    });
  }

  /** The node's events, though it is known only from the start on. */
  #nodeEvents(): BridgeEvents {
    return {
      joined: (...news) => this.#node?.joined(...news),
      deliver: (...news) => this.#node?.deliver(...news),
      reset: (...news) => this.#node?.reset(...news),
      relayed: (...news) => this.#node?.relayed(...news),
      disconnect: (...news) => this.#node?.disconnect(...news),
      alive: (...news) => this.#node?.alive(...news),
      came: (...news) => this.#node?.came(...news),
      went: (...news) => this.#node?.went(...news),
    };
  }

  #aliveChanged(): void {
    const isAlive = this.shards.every(({ link }) => link.isAlive);
    // Its own end is no news to the node that asked for it.
    if (isAlive === this.#isAlive || this.#isClosed) return;
    this.#isAlive = isAlive;
    this.#node?.alive(isAlive);
    if (isAlive) this.#started();
  }

  #started(): void {
    this.#start?.resolve();
    this.#start = undefined;
  }

  #failed(index: number, reason: string, failure: unknown): void {
    const isConflict = failure instanceof RegistryConflict;
    if (this.#start && (isConflict || notLetIn.test(reason))) {
      // Whoever waits for the start is told, and with that everybody.
      this.#start.reject(isConflict ? failure : new NotLetIn(index, reason));
      this.#start = undefined;
      return;
    }
    this.#options.observer.failed(index, reason, isConflict);
    this.#started();
  }

  // ---- which topics are where, and whether all nodes agree on it

  #shardOf(topic: string): Shard {
    const shard = this.#placedShard(topic);
    if (shard) return shard;
    throw unplaced();
  }

  #placedShard(topic: string): Shard | undefined {
    if (this.shards.length === 1) return this.shards[0];
    return this.#placement && this.shards[this.#placement.indexOf(topic)];
  }

  /** A shard may be used once all ids are known, which say where topics are, and no other node says otherwise. */
  async #admit(index: number, id: string, ask: Ask): Promise<void> {
    this.#identify(index, id);
    if (!this.#placement) await new Promise<void>((resolve) => this.#unplaced.push(resolve));
    const own: RegistryEntry = { modes: this.#options.namespaces, shards: this.#ids as string[] };
    // Before it is written that this node is here, or others would find the conflict too, and refuse to go on.
    this.#compare(own, await ask(this.#instances.readRegistry()));
    await ask(this.#instances.writeRegistry(own, this.#options.timing.leaseMs));
    this.#compare(own, await ask(this.#instances.readRegistry()));
  }

  #compare(own: RegistryEntry, entries: ReadonlyMap<string, RegistryEntry | undefined>): void {
    for (const [instance, entry] of entries) {
      if (entry && instance !== this.instance) compareEntries(own, entry, instance);
    }
  }

  #identify(index: number, id: string): void {
    const known = this.#ids[index];
    if (this.#ids.some((other, at) => at !== index && other === id)) {
      throw new RegistryConflict(`two of the addresses lead to the same Redis, ${id}`);
    }
    // With one shard nothing depends on its id.
    if (known !== undefined && known !== id && this.#ids.length > 1) {
      throw new RegistryConflict(`the shard ${known} has become the shard ${id}`);
    }
    this.#ids[index] = id;
    if (this.#placement || this.#ids.includes(undefined)) return;
    this.#placement = new Rendezvous(this.#ids as string[]);
    for (const go of this.#unplaced.splice(0)) go();
  }
}

function unplaced(): FanwireError {
  return new FanwireError("unavailable", "Not all shards of Redis have been reached yet.");
}

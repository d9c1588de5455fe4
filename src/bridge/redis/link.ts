// The life of the two connections to one Redis: opened together, fenced, probed end to end, closed together and opened anew.
// Knows no topics.

import {
  type Call,
  type Connect,
  ConnectionLost,
  type RedisConnection,
  RedisError,
  type Reply,
} from "../connection.ts";
import { decodeEnvelope } from "../envelope.ts";
import type { InstanceStore } from "../store-instances.ts";
import type { StoreKeys } from "../store-keys.ts";
import type { Operation } from "../store-reply.ts";
import { type Clock, repeat } from "./clock.ts";
import { RegistryConflict } from "./registry.ts";

export interface LinkTiming {
  /** How long a connection, or a reply while it is set up, may take. */
  readonly connectTimeoutMs: number;
  /** How often the link is probed, and after how many probes without an answer it is closed. */
  readonly probeIntervalMs: number;
  readonly maxMissedProbes: number;
  /** How long the others believe in this instance without hearing of it; it is renewed three times as often. */
  readonly leaseMs: number;
}

export interface LinkOptions {
  readonly address: string;
  readonly connect: Connect;
  readonly clock: Clock;
  /** From 0 to less than 1. */
  readonly random: () => number;
  readonly newId: () => string;
  readonly timing: LinkTiming;
  readonly instance: string;
  readonly keys: StoreKeys;
  readonly instances: InstanceStore;
  readonly probe: (number: number) => Call;
  readonly events: LinkEvents;
}

/** Rejects with RedisError or ConnectionLost. */
export type Ask = <Result>(operation: Operation<Result>) => Promise<Result>;

export interface LinkEvents {
  /**
   * The shard's id is known. Resolves once this instance may use it; rejects with RegistryConflict where it may not, and is asked
   * again at the next connection.
   */
  admit(id: string, ask: Ask): Promise<void>;
  /** A fence holds, and nothing is subscribed but the own channels. */
  connected(subscriptions: RedisConnection): void;
  /** The lease had run out or was another's: from now on a new fence holds. */
  fenced(): void;
  /** Called for each `connected`, once. */
  lost(reason: string): void;
  /** Whether publications are proven to go out and come back. */
  alive(isAlive: boolean): void;
  /** Called for each attempt that failed. */
  failed(reason: string, failure: unknown): void;
  message(channel: string, payload: Uint8Array): void;
}

/** What the parts of a shard may do with its link. */
export interface FencedLink extends Pick<RedisConnection, "run"> {
  /** Whether calls can be run under a fence that holds. */
  readonly isConnected: boolean;
  /** The number that calls name, so that none is executed after a newer one took over. */
  readonly fence: number;
  /** A call was refused: the fence is no longer this instance's. Once it is again, `LinkEvents.fenced` is called. */
  refence(): void;
}

const firstBackoffMs = 50;
const maxBackoffMs = 2000;
/** How long a link that ends waits for Redis to hear that it does. */
const releaseTimeoutMs = 500;

/** Refusals after which nothing sent to this Redis has a chance: it is demoted, loading, or does not let this node in. */
const fatalCodes: ReadonlySet<string> = new Set([
  "READONLY",
  "LOADING",
  "MASTERDOWN",
  "NOPERM",
  "NOAUTH",
  "NOREPLICAS",
  "MISCONF",
  "UNKILLABLE",
]);

/** One pair of connections. */
interface Pair {
  readonly opened: RedisConnection[];
  commands: RedisConnection | undefined;
  subscriptions: RedisConnection | undefined;
  isOver: boolean;
  /** What is not repeated when it ends. */
  readonly stops: (() => void)[];
  /** What waits for a probe, by its number. */
  readonly awaiting: { readonly probe: number; readonly work: () => void }[];
  /** Fails what waits for a reply. */
  readonly pending: Set<(lost: ConnectionLost) => void>;
}

export class Link implements FencedLink {
  readonly #options: LinkOptions;
  #pair: Pair | undefined;
  #fence = 0;
  #shardId: string | undefined;
  #isConnected = false;
  #isAlive = false;
  #isClosed = false;
  #attempts = 0;
  #probe = 0;
  #probedAtMs = 0;
  #missedProbes = 0;
  #isFencing = false;
  #cancelReopen: (() => void) | undefined;
  /** Between sending a probe and its return, the last time. */
  roundTripMs = 0;
  reconnects = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  get fence(): number {
    return this.#fence;
  }

  get shardId(): string | undefined {
    return this.#shardId;
  }

  /** Calls without a reply. */
  get outstanding(): number {
    return this.#pair?.commands?.outstanding ?? 0;
  }

  open(): void {
    const pair: Pair = {
      opened: [],
      commands: undefined,
      subscriptions: undefined,
      isOver: false,
      stops: [],
      awaiting: [],
      pending: new Set(),
    };
    this.#pair = pair;
    this.#open(pair).catch((failure) => this.#fail(pair, reasonOf(failure), failure));
  }

  /** Runs calls over the command connection. Rejects with ConnectionLost as soon as the link is lost. */
  run(calls: readonly Call[]): Promise<readonly (Reply | RedisError)[]> {
    const pair = this.#pair;
    if (!pair || !this.#isConnected) return Promise.reject(new ConnectionLost("Redis is away"));
    return this.#run(pair, calls);
  }

  /** As `run`, for one call. Rejects with RedisError too. */
  ask<Result>(operation: Operation<Result>): Promise<Result> {
    const pair = this.#pair;
    if (!pair || !this.#isConnected) return Promise.reject(new ConnectionLost("Redis is away"));
    return this.#ask(pair, operation);
  }

  /** Calls `work` once whatever Redis published until now has arrived; never, if the link is lost before. */
  afterProbe(work: () => void): void {
    const pair = this.#pair;
    if (!pair || !this.#isConnected) return;
    const isFirst = pair.awaiting.length === 0;
    // Many ask in one turn, and one probe serves them all.
    if (isFirst) this.#options.clock.defer(() => this.#sendProbe(pair));
    pair.awaiting.push({ probe: this.#probe + 1, work });
  }

  /** The connection is of no use, somebody found. Does nothing for what is only a lost connection: that is known. */
  distrust(failure: unknown): void {
    if (this.#pair && !(failure instanceof ConnectionLost))
      this.#fail(this.#pair, reasonOf(failure), failure);
  }

  /** A call was refused because the fence is not ours any more. */
  refence(): void {
    const pair = this.#pair;
    if (!pair || !this.#isConnected || this.#isFencing) return;
    this.#isFencing = true;
    this.#takeFence(pair)
      .then(() => {
        this.#isFencing = false;
        if (!pair.isOver) this.#options.events.fenced();
      })
      .catch((failure) => {
        this.#isFencing = false;
        this.#fail(pair, reasonOf(failure), failure);
      });
  }

  /** Gives the lease back, if that can be done soon, and ends. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelReopen?.();
    const { clock, instances } = this.#options;
    const pair = this.#pair;
    if (pair && this.#isConnected) {
      await new Promise<void>((resolve) => {
        const cancel = clock.after(releaseTimeoutMs, resolve);
        const released = () => {
          cancel();
          resolve();
        };
        this.#run(pair, [instances.release(this.#fence).call]).then(released, released);
      });
    }
    if (pair) this.#end(pair, "closed by this node");
  }

  async #open(pair: Pair): Promise<void> {
    const { events, instance, instances, keys, newId } = this.#options;
    const [commands, subscriptions] = await this.#connectBoth(pair);
    pair.commands = commands;
    pair.subscriptions = subscriptions;
    await this.#takeFence(pair);
    const id = await this.#soon(this.#ask(pair, instances.claimId(this.#shardId ?? newId())));
    await this.#soon(subscriptions.subscribe([keys.control, keys.probe(instance)]));
    this.#keepUp(pair);
    await events.admit(id, (operation) => this.#ask(pair, operation));
    if (pair.isOver) return;
    this.#shardId = id;
    this.#isConnected = true;
    events.connected(subscriptions);
    this.#sendProbe(pair);
  }

  async #connectBoth(pair: Pair): Promise<[RedisConnection, RedisConnection]> {
    const { address, connect, timing } = this.#options;
    const closed = (reason: string) => this.#fail(pair, reason, undefined);
    const message = (channel: string, payload: Uint8Array) => this.#message(pair, channel, payload);
    const open = async (): Promise<RedisConnection> => {
      const connection = await connect(address, { message, closed }, timing.connectTimeoutMs);
      // The other one may have failed meanwhile.
      if (pair.isOver) connection.close();
      else pair.opened.push(connection);
      return connection;
    };
    return Promise.all([open(), open()]);
  }

  async #takeFence(pair: Pair): Promise<void> {
    const { instances, timing } = this.#options;
    const fence = this.#fence + 1;
    const isGranted = await this.#soon(this.#ask(pair, instances.fence(fence, timing.leaseMs)));
    if (!isGranted) throw new Error("another node has this instance's lease");
    this.#fence = fence;
  }

  #keepUp(pair: Pair): void {
    const { clock, timing } = this.#options;
    this.#missedProbes = 0;
    pair.stops.push(
      repeat(clock, timing.probeIntervalMs, () => this.#sendProbe(pair)),
      repeat(clock, timing.leaseMs / 3, () => void this.#renew(pair)),
    );
    this.#sendProbe(pair);
  }

  /**
   * Probes are counted and not timed: after a pause of the whole process the answers are there, only not read yet. This notices
   * a connection that is open and dead, and a subscription that stayed with a Redis that is no longer the one published to.
   */
  #sendProbe(pair: Pair): void {
    const { clock, probe, timing } = this.#options;
    if (pair.isOver) return;
    if (this.#missedProbes >= timing.maxMissedProbes) {
      this.#fail(pair, "probes do not come back", undefined);
      return;
    }
    this.#missedProbes += 1;
    this.#probe += 1;
    this.#probedAtMs = clock.now();
    this.#run(pair, [probe(this.#probe)]).catch(ignore);
  }

  async #renew(pair: Pair): Promise<void> {
    const { instances, timing } = this.#options;
    try {
      const isGranted = await this.#ask(pair, instances.renewLease(this.#fence, timing.leaseMs));
      if (!isGranted && !pair.isOver) this.refence();
    } catch {
      // The end of the connection is told elsewhere, and what Redis refuses now it may grant the next time.
    }
  }

  #message(pair: Pair, channel: string, payload: Uint8Array): void {
    if (pair.isOver) return;
    const { clock, events, instance, keys } = this.#options;
    if (channel !== keys.probe(instance)) {
      if (this.#isConnected) events.message(channel, payload);
      return;
    }
    const envelope = decodeEnvelope(payload);
    if (envelope?.kind !== "probe" || envelope.instance !== instance) return;
    this.#missedProbes = 0;
    if (envelope.number === this.#probe) this.roundTripMs = clock.now() - this.#probedAtMs;
    while (pair.awaiting.length > 0 && pair.awaiting[0]!.probe <= envelope.number)
      pair.awaiting.shift()!.work();
    if (!this.#isConnected || this.#isAlive) return;
    this.#isAlive = true;
    this.#attempts = 0;
    events.alive(true);
  }

  async #ask<Result>(pair: Pair, { call, parse }: Operation<Result>): Promise<Result> {
    const [reply] = await this.#run(pair, [call]);
    return parse(reply);
  }

  #run(pair: Pair, calls: readonly Call[]): Promise<readonly (Reply | RedisError)[]> {
    return new Promise((resolve, reject) => {
      if (pair.isOver || !pair.commands) return reject(new ConnectionLost("the connection ended"));
      pair.pending.add(reject);
      pair.commands.run(calls).then(
        (replies) => {
          pair.pending.delete(reject);
          const fatal = replies.find((reply) => reply instanceof RedisError && fatalCodes.has(reply.code));
          if (fatal) this.#fail(pair, reasonOf(fatal), fatal);
          resolve(replies);
        },
        (failure) => {
          pair.pending.delete(reject);
          reject(failure);
        },
      );
    });
  }

  /** While a link is set up nobody probes it yet. */
  #soon<Result>(work: Promise<Result>): Promise<Result> {
    const { clock, timing } = this.#options;
    return new Promise((resolve, reject) => {
      const cancel = clock.after(timing.connectTimeoutMs, () => reject(new Error("Redis does not answer")));
      work.finally(cancel).then(resolve, reject);
    });
  }

  #fail(pair: Pair, reason: string, failure: unknown): void {
    if (pair.isOver) return;
    const wasConnected = this.#isConnected;
    this.#end(pair, reason);
    if (this.#isClosed) return;
    const { clock, events, random } = this.#options;
    if (!wasConnected) events.failed(reason, failure);
    this.reconnects += 1;
    const longestMs =
      failure instanceof RegistryConflict ? maxBackoffMs : firstBackoffMs * 2 ** this.#attempts;
    this.#attempts += 1;
    const backoffMs = Math.min(maxBackoffMs, longestMs) * (0.5 + random() / 2);
    this.#cancelReopen = clock.after(backoffMs, () => this.open());
  }

  #end(pair: Pair, reason: string): void {
    if (pair.isOver) return;
    pair.isOver = true;
    for (const stop of pair.stops) stop();
    for (const connection of pair.opened) connection.close();
    const lost = new ConnectionLost(reason);
    for (const reject of pair.pending) reject(lost);
    pair.pending.clear();
    if (!this.#isConnected) return;
    this.#isConnected = false;
    if (this.#isAlive) {
      this.#isAlive = false;
      this.#options.events.alive(false);
    }
    this.#options.events.lost(reason);
  }
}

function reasonOf(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}

function ignore(): void {
  // Told elsewhere.
}

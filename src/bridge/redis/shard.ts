// One Redis as this node uses it: what is published there, asked there and followed there, over a link that comes and goes.
// Knows nothing of other shards.

import { FanwireError } from "../../errors.ts";
import type { BridgeEvents, HistoryPage, Position, Publication, Retention } from "../bridge.ts";
import { ConnectionLost, RedisError } from "../connection.ts";
import { decodeEnvelope, type Envelope, packPublication } from "../envelope.ts";
import { historyRuleOf } from "../history-rule.ts";
import type { Presence } from "../presence.ts";
import type { Store } from "../store.ts";
import type { StoreKeys } from "../store-keys.ts";
import type { Operation } from "../store-reply.ts";
import type { Budget } from "./budget.ts";
import type { Clock } from "./clock.ts";
import { Following, type ShardCounts } from "./following.ts";
import type { FencedLink, Link, LinkEvents } from "./link.ts";
import { Outbox } from "./outbox.ts";
import { Relays } from "./relays.ts";

/** The part of a shard that knows who is where. */
export interface ShardPresence extends Presence {
  /** A fence holds that did not before, and calls can be run. */
  connected(): void;
  lost(): void;
  follow(topic: string): void;
  /** Nothing of a followed topic is missed from now on. */
  subscribed(topic: string): void;
  /** Resolves when it is known who is in a followed topic, or when that cannot be known at the moment. */
  ready(topic: string): Promise<void>;
  unfollow(topic: string): void;
  received(topic: string, envelope: Extract<Envelope, { kind: "presence" }>): void;
  close(): Promise<void>;
}

export interface ShardOptions {
  readonly instance: string;
  readonly store: Store;
  readonly keys: StoreKeys;
  readonly clock: Clock;
  readonly budget: Budget;
  readonly node: BridgeEvents;
  readonly retention: (topic: string) => Retention;
  readonly hasPresence: (topic: string) => boolean;
  readonly publishTimeoutMs: number;
  readonly queueWhileAway: boolean;
  readonly createLink: (events: LinkEvents) => Link;
  readonly createPresence: (link: FencedLink, malformed: () => void) => ShardPresence;
  readonly events: ShardEvents;
}

export interface ShardEvents extends Pick<LinkEvents, "admit" | "failed" | "alive" | "lost"> {
  connected(): void;
}

export class Shard {
  readonly link: Link;
  readonly outbox: Outbox;
  readonly relays: Relays;
  readonly presence: ShardPresence;
  readonly following: Following;
  readonly #options: ShardOptions;

  constructor(options: ShardOptions) {
    this.#options = options;
    const { clock, publishTimeoutMs, retention, store } = options;
    const link = options.createLink(this.#linkEvents());
    this.link = link;
    this.presence = options.createPresence(link, () => this.#malformed());
    this.following = new Following({
      ...options,
      link,
      presence: this.presence,
      joinTimeoutMs: publishTimeoutMs,
    });
    this.outbox = new Outbox({
      ...options,
      link,
      append: (topic, { number, items: publications }, fence) =>
        store.append({ topic, number, fence, publications }, retention(topic), clock.now()),
      accepted: (...accepted) => this.following.accepted(...accepted),
    });
    this.relays = new Relays({ clock, link, relay: (topic, packed) => store.relay(topic, packed) });
  }

  get counts(): ShardCounts {
    return this.following.counts;
  }

  publish(topic: string, publication: Publication, idempotencyKey: string | undefined): Promise<Position> {
    return this.outbox.publish(topic, publication, packPublication(publication), idempotencyKey);
  }

  relay(topic: string, publication: Publication): void {
    this.relays.relay(topic, packPublication(publication));
  }

  /** Tells all other nodes. Rejects with `unavailable`. */
  disconnect(userId: string, reason: string | undefined): Promise<void> {
    return this.#ask(this.#options.store.disconnect(userId, reason));
  }

  /** As `Bridge.history`. */
  history(topic: string, after: number | undefined, limit: number): Promise<HistoryPage> {
    const { clock, retention, store } = this.#options;
    const rule = historyRuleOf(retention(topic));
    return this.#ask(store.history(topic, after, limit, rule, clock.now()));
  }

  async close(): Promise<void> {
    this.following.close();
    await this.presence.close();
    this.outbox.close();
    await this.link.close();
  }

  async #ask<Result>(operation: Operation<Result>): Promise<Result> {
    try {
      return await this.link.ask(operation);
    } catch (failure) {
      if (failure instanceof ConnectionLost) throw new FanwireError("unavailable", "Redis is away.");
      if (!(failure instanceof RedisError)) throw failure;
      throw new FanwireError("unavailable", `Redis refused (${failure.code}).`);
    }
  }

  #linkEvents(): LinkEvents {
    const { events } = this.#options;
    const fenced = () => {
      this.presence.connected();
      this.outbox.resume();
    };
    return {
      admit: (id, ask) => events.admit(id, ask),
      connected: (subscriptions) => {
        events.connected();
        this.following.connected(subscriptions);
        fenced();
      },
      fenced,
      lost: (reason) => {
        this.following.lost();
        this.presence.lost();
        events.lost(reason);
      },
      alive: (isAlive) => events.alive(isAlive),
      failed: (reason, failure) => events.failed(reason, failure),
      message: (channel, payload) => this.#message(channel, payload),
    };
  }

  #message(channel: string, payload: Uint8Array): void {
    const { instance, keys, node } = this.#options;
    const envelope = decodeEnvelope(payload);
    const topic = keys.topicOf(channel);
    if (!envelope) this.#malformed();
    else if (topic !== undefined) this.following.received(topic, envelope, payload.length);
    else if (channel !== keys.control || envelope.kind !== "disconnect") this.#malformed();
    else if (envelope.instance !== instance) node.disconnect(envelope.userId, envelope.reason);
  }

  #malformed(): void {
    this.counts.malformedEnvelopes += 1;
  }
}

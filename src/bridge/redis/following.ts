// The topics this node joined at one Redis: their channels, what came through them, and what has to be asked. Knows the link only
// by what it tells.

import { FanwireError } from "../../errors.ts";
import type { BridgeEvents, Position, PositionedPublication, Retention } from "../bridge.ts";
import { type RedisConnection, RedisError } from "../connection.ts";
import type { Envelope } from "../envelope.ts";
import type { Store } from "../store.ts";
import type { StoreKeys } from "../store-keys.ts";
import type { Operation } from "../store-reply.ts";
import { Channels } from "./channels.ts";
import { type Clock, repeat } from "./clock.ts";
import { type FollowAnswer, Follower, type ResetCause } from "./follower.ts";
import { IdleCheck } from "./idle-check.ts";
import type { Link } from "./link.ts";
import { Questions } from "./questions.ts";
import type { ShardPresence } from "./shard.ts";

export interface FollowingOptions {
  readonly instance: string;
  readonly store: Store;
  readonly keys: StoreKeys;
  readonly clock: Clock;
  readonly link: Link;
  readonly presence: ShardPresence;
  readonly node: BridgeEvents;
  readonly retention: (topic: string) => Retention;
  readonly hasPresence: (topic: string) => boolean;
  readonly joinTimeoutMs: number;
}

export interface ShardCounts {
  malformedEnvelopes: number;
  /** Times that something was found missing. */
  gaps: number;
  /** Publications and values that came by asking and not through the channel. */
  caughtUp: number;
  /** Topics asked about only because they were silent. */
  checks: number;
  readonly resets: Record<ResetCause, number>;
}

/** A topic the node joined. */
interface Joined {
  readonly topic: string;
  /** In positioned modes. */
  readonly follower: Follower | undefined;
  isHeard: boolean;
  /** Settles the join; undefined once that was done. */
  settle: ((failure?: FanwireError) => void) | undefined;
}

/** A volatile topic has a position too, which never moves. */
const nowhere: Position = { epoch: "0", offset: 0 };
/** Each topic is compared with Redis so often, unless something came from it meanwhile. */
const rotationMs = 15_000;
const ticksPerRotation = 15;
/** After Redis refused to answer. */
const retryMs = 1000;
/** What Redis confirmed comes through the channel too, and at once: after so long it was lost. */
const lateMs = 250;
/** What one question brings at most, in publications. */
const pageSize = 1000;
/** Of questions: after a reconnect there is one for each topic. */
const callsPerRun = 256;

export class Following {
  readonly counts: ShardCounts = {
    malformedEnvelopes: 0,
    gaps: 0,
    caughtUp: 0,
    checks: 0,
    resets: { epoch: 0, history: 0, inconsistent: 0 },
  };
  readonly #options: FollowingOptions;
  readonly #joined = new Map<string, Joined>();
  readonly #channels: Channels;
  readonly #questions: Questions;
  /** Those whose question waits for its turn: asked for again meanwhile, it is still one. */
  readonly #asking = new Set<Joined>();
  readonly #idle = new IdleCheck<Joined>(ticksPerRotation);
  readonly #stopIdle: () => void;

  constructor(options: FollowingOptions) {
    this.#options = options;
    const { clock, keys, link } = options;
    this.#channels = new Channels({
      clock,
      channelOf: (topic) => keys.channel(topic),
      subscribed: (topics) => this.#subscribed(topics),
      refused: (failure) => link.distrust(failure),
    });
    this.#questions = new Questions((calls) => link.run(calls), callsPerRun);
    this.#stopIdle = repeat(clock, rotationMs / ticksPerRotation, () => this.#checkIdle());
  }

  get topicCount(): number {
    return this.#joined.size;
  }

  /** As `Bridge.join`; rejects with `unavailable` where Redis is away for too long. */
  join(topic: string): Promise<void> {
    const { clock, hasPresence, joinTimeoutMs, presence, retention } = this.#options;
    this.leave(topic);
    const { mode } = retention(topic);
    return new Promise((resolve, reject) => {
      const cancel = clock.after(joinTimeoutMs, () => {
        if (this.#joined.get(topic) === joined) this.leave(topic);
      });
      const settle = (failure?: FanwireError) => {
        joined.settle = undefined;
        cancel();
        if (failure) reject(failure);
        else if (hasPresence(topic)) void presence.ready(topic).then(resolve);
        else resolve();
      };
      const isLatest = mode === "latest";
      const follower = mode === "volatile" ? undefined : new Follower(topic, isLatest, this.#followerEvents);
      const joined: Joined = { topic, follower, isHeard: false, settle };
      this.#joined.set(topic, joined);
      if (hasPresence(topic)) presence.follow(topic);
      this.#channels.want(topic);
    });
  }

  leave(topic: string): void {
    const joined = this.#joined.get(topic);
    if (!joined) return;
    this.#joined.delete(topic);
    this.#idle.delete(joined);
    this.#channels.leave(topic);
    if (this.#options.hasPresence(topic)) this.#options.presence.unfollow(topic);
    joined.follower?.failed();
    joined.settle?.(new FanwireError("unavailable", "Redis is away: the topic was not joined."));
  }

  connected(subscriptions: RedisConnection): void {
    this.#channels.connected(subscriptions);
  }

  lost(): void {
    this.#channels.lost();
    // Whoever waits for a publication to be delivered here knows its position; delivery comes after the next connection.
    for (const { follower } of this.#joined.values()) follower?.failed();
  }

  close(): void {
    this.#stopIdle();
    for (const topic of [...this.#joined.keys()]) this.leave(topic);
  }

  /** Something came through a topic's channel. `bytes`: about how large it is. */
  received(topic: string, envelope: Envelope, bytes: number): void {
    const joined = this.#joined.get(topic);
    if (!joined) return;
    const { follower } = joined;
    const { instance, node, presence } = this.#options;
    if (envelope.kind === "publications" && follower) {
      const { epoch, first, publications } = envelope;
      if (follower.isLatest && publications.some(({ key }) => key === undefined)) {
        this.counts.malformedEnvelopes += 1;
        return;
      }
      joined.isHeard = true;
      follower.received(epoch, first, publications, bytes);
    } else if (envelope.kind === "relay" && !follower) {
      // What is relayed was delivered here before it was sent.
      if (envelope.instance === instance || joined.settle) return;
      for (const publication of envelope.publications) node.relayed(topic, publication);
    } else if (envelope.kind === "presence") {
      presence.received(topic, envelope);
    } else {
      this.counts.malformedEnvelopes += 1;
    }
  }

  /**
   * This node's own publications, known by the reply of their append: the subscription may be slower. Calls `done` once the node
   * has seen them. `positioned` makes the publications, which is seldom needed.
   */
  accepted(
    topic: string,
    epoch: string,
    first: number,
    count: number,
    positioned: () => readonly PositionedPublication[],
    done: () => void,
  ): void {
    const joined = this.#joined.get(topic);
    const follower = joined?.follower;
    const last = first + count - 1;
    if (!follower || count === 0 || follower.isPast(epoch, last)) return void done();
    follower.overheard(epoch, first, positioned);
    if (follower.isPast(epoch, last)) return void done();
    follower.whenPast(epoch, last, done);
    const { clock } = this.#options;
    clock.after(lateMs, () => {
      if (!follower.isPast(epoch, last)) this.#checkAgain(joined);
    });
  }

  /** Nothing of these topics is missed from now on: what was before has to be asked for. */
  #subscribed(topics: readonly string[]): void {
    const { hasPresence, node, presence } = this.#options;
    for (const topic of topics) {
      const joined = this.#joined.get(topic);
      if (!joined) continue;
      if (hasPresence(topic)) presence.subscribed(topic);
      if (joined.follower) joined.follower.check();
      else if (joined.settle) {
        node.joined(topic, nowhere);
        joined.settle();
      }
    }
  }

  readonly #followerEvents = {
    ask: (follower: Follower) => {
      const joined = this.#joined.get(follower.topic);
      if (joined?.follower === follower) this.#ask(joined);
    },
    confirm: (follower: Follower) => {
      const joined = this.#joined.get(follower.topic);
      if (joined?.follower === follower) this.#options.link.afterProbe(() => follower.confirmed());
    },
    gap: () => {
      this.counts.gaps += 1;
    },
    joined: (follower: Follower, values?: readonly PositionedPublication[], forgottenOffset?: number) => {
      const joined = this.#joined.get(follower.topic)!;
      this.#idle.add(joined);
      this.#options.node.joined(follower.topic, follower.position, values, forgottenOffset);
      joined.settle?.();
    },
    deliver: (follower: Follower, publications: readonly PositionedPublication[]) => {
      this.#options.node.deliver(follower.topic, publications);
    },
    reset: (
      follower: Follower,
      cause: ResetCause,
      values?: readonly PositionedPublication[],
      forgottenOffset?: number,
    ) => {
      this.counts.resets[cause] += 1;
      this.#options.node.reset(follower.topic, follower.position, values, forgottenOffset);
    },
  };

  /** Also of a topic that is left by then: that costs one answer to nobody. */
  #ask(joined: Joined): void {
    if (this.#asking.has(joined)) return;
    this.#asking.add(joined);
    const question = () => {
      this.#asking.delete(joined);
      return this.#question(joined);
    };
    this.#questions.ask(question).then(
      (answer) => this.#answered(joined, answer),
      (failure) => this.#unanswered(joined, failure),
    );
  }

  #question({ topic, follower }: Joined): Operation<FollowAnswer> {
    const { clock, retention, store } = this.#options;
    const since = follower!.asking();
    const kept = retention(topic);
    if (kept.mode !== "latest") return store.followStream(topic, since, pageSize);
    const { call, parse } = store.followLatest(topic, since, kept.keyed, clock.now());
    return {
      call,
      parse: (reply) => {
        const { values: publications, ...standing } = parse(reply);
        return { ...standing, publications };
      },
    };
  }

  #answered(joined: Joined, answer: FollowAnswer): void {
    if (this.#joined.get(joined.topic) !== joined) return;
    this.counts.caughtUp += answer.publications.length;
    joined.follower!.answered(answer);
  }

  #unanswered(joined: Joined, failure: unknown): void {
    if (this.#joined.get(joined.topic) !== joined) return;
    joined.follower!.failed();
    if (failure instanceof RedisError && failure.code === "MALFORMED") this.counts.malformedEnvelopes += 1;
    // After a lost connection all are asked about anyway.
    const { clock, link } = this.#options;
    if (link.isConnected) clock.after(retryMs, () => this.#checkAgain(joined));
  }

  #checkAgain(joined: Joined): void {
    const isJoined = this.#joined.get(joined.topic) === joined;
    if (isJoined && this.#options.link.isConnected) joined.follower!.check();
  }

  #checkIdle(): void {
    for (const joined of this.#idle.tick()) {
      if (!this.#options.link.isConnected) continue;
      this.counts.checks += 1;
      joined.follower!.check();
    }
  }
}

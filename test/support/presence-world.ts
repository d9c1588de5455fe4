// Nodes with presence over one model of Redis, in a time of its own, and everything that can go wrong between them. Seeded from
// outside: whoever runs it decides what happens.

import { type Call, ConnectionLost, RedisError, type Reply } from "../../src/bridge/connection.ts";
import { decodeEnvelope } from "../../src/bridge/envelope.ts";
import type { PresenceEvents, TopicUser } from "../../src/bridge/presence.ts";
import type { FencedLink } from "../../src/bridge/redis/link.ts";
import { RedisPresence } from "../../src/bridge/redis/redis-presence.ts";
import { type ModelData, modelPresenceScripts } from "./model-redis-presence.ts";

export const leaseMs = 15_000;
export const renewMs = 5000;
export const graceMs = 5000;

interface Timer {
  readonly dueMs: number;
  readonly work: () => void;
}

type Replies = readonly (Reply | RedisError)[];

interface Stored {
  strings: Map<string, string>;
  hashes: Map<string, Map<string, Uint8Array>>;
  sets: Map<string, Set<string>>;
  ends: Map<string, number>;
}

const nothingStored = (): Stored => ({
  strings: new Map(),
  hashes: new Map(),
  sets: new Map(),
  ends: new Map(),
});

export class PresenceWorld implements ModelData {
  now = 1_000_000;
  readonly nodes: WorldNode[] = [];
  readonly counts: Record<string, number> = {};
  stored = nothingStored();
  /** Scripts that Redis refuses to run. */
  refuse: (script: string) => boolean = () => false;
  /** Messages that get lost, of those published next. */
  losses = 0;
  #timers: Timer[] = [];

  // ---- what Redis has

  string(key: string): string | undefined {
    return this.leftMs(key) === -2 ? undefined : this.stored.strings.get(key);
  }

  hash(key: string): Map<string, Uint8Array> {
    this.#endDue(key);
    const hash = this.stored.hashes.get(key) ?? new Map<string, Uint8Array>();
    this.stored.hashes.set(key, hash);
    return hash;
  }

  set(key: string): Set<string> {
    const set = this.stored.sets.get(key) ?? new Set<string>();
    this.stored.sets.set(key, set);
    return set;
  }

  delete(key: string): void {
    const { ends, ...kinds } = this.stored;
    for (const kind of Object.values(kinds)) kind.delete(key);
    ends.delete(key);
  }

  rename(from: string, to: string): void {
    this.stored.hashes.set(to, this.hash(from));
    this.stored.hashes.delete(from);
  }

  leftMs(key: string): number {
    this.#endDue(key);
    const { strings, hashes, sets, ends } = this.stored;
    const isThere = strings.has(key) || (hashes.get(key)?.size ?? 0) + (sets.get(key)?.size ?? 0) > 0;
    if (!isThere) return -2;
    const endMs = ends.get(key);
    return endMs === undefined ? -1 : endMs - this.now;
  }

  expire(key: string, afterMs: number | undefined): void {
    if (afterMs === undefined) this.stored.ends.delete(key);
    else this.stored.ends.set(key, this.now + afterMs);
  }

  publish(channel: string, payload: Uint8Array): void {
    this.count("PUBLISH");
    for (const node of this.nodes) {
      if (!node.subscriptions.has(channel)) continue;
      if (this.losses > 0) this.losses -= 1;
      else node.inbox.push(() => node.receive(channel, payload));
    }
  }

  execute(call: Call): Reply | RedisError {
    if ("command" in call) throw new Error("no command is used");
    if (this.refuse(call.script)) {
      this.count("refused");
      return new RedisError("OOM command not allowed");
    }
    this.count(call.script);
    const script = modelPresenceScripts[call.script as keyof typeof modelPresenceScripts];
    return script(this, call.keys, call.args);
  }

  count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  /** A copy to roll back to. */
  copy(): Stored {
    return structuredClone(this.stored);
  }

  /** Redis comes back with what it had at another time, or with nothing. Every connection is lost. */
  restart(stored: Stored = nothingStored()): void {
    this.stored = structuredClone(stored);
    for (const node of this.nodes) node.cut();
  }

  // ---- time

  start(name: string): WorldNode {
    const node = new WorldNode(this, name);
    this.nodes.push(node);
    return node;
  }

  after(delayMs: number, work: () => void): () => void {
    const timer = { dueMs: this.now + delayMs, work };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Everything that can happen without time passing. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      let isQuiet = true;
      for (const node of this.nodes) if (node.work()) isQuiet = false;
      for (let turn = 0; turn < 8; turn++) await undefined;
      quiet = isQuiet ? quiet + 1 : 0;
    }
  }

  async wait(ms: number): Promise<void> {
    const endMs = this.now + ms;
    await this.settle();
    for (;;) {
      const [next] = this.#timers.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs);
      if (!next) break;
      this.#timers = this.#timers.filter((other) => other !== next);
      this.now = Math.max(this.now, next.dueMs);
      next.work();
      await this.settle();
    }
    this.now = endMs;
  }

  #endDue(key: string): void {
    if ((this.stored.ends.get(key) ?? Number.POSITIVE_INFINITY) <= this.now) this.delete(key);
  }
}

export class WorldNode implements FencedLink, PresenceEvents {
  readonly name: string;
  readonly presence: RedisPresence;
  /** The truth: session to user, by topic. */
  readonly sessions = new Map<string, Map<string, string>>();
  readonly seen: string[] = [];
  readonly subscriptions = new Set<string>();
  /** What arrives from Redis. A cut loses it. */
  inbox: (() => void)[] = [];
  #deferred: (() => void)[] = [];
  /** Executed runs whose answers are on their way. */
  #answering = new Set<() => void>();
  fence = 0;
  isConnected = false;
  isPaused = false;
  isDead = false;
  /** Runs that Redis has not executed; `held` ones stay where they are. */
  outbox: { calls: readonly Call[]; answer: (replies: Replies) => void; lose: () => void }[] = [];
  isHeld = false;
  /** Answers of executed runs wait until this is false again. */
  areAnswersHeld = false;
  #heldAnswers: (() => void)[] = [];
  malformed = 0;
  /** Payloads that came through topics' channels. */
  readonly received: Uint8Array[] = [];
  readonly #world: PresenceWorld;
  readonly #followed = new Set<string>();
  /** By topic and user: the last that was told. */
  readonly #told = new Map<string, "came" | "went">();

  constructor(world: PresenceWorld, name: string) {
    this.#world = world;
    this.name = name;
    this.presence = new RedisPresence({
      instance: name,
      prefix: "f:",
      graceMs,
      clock: {
        now: () => world.now,
        after: (ms, work) => world.after(ms, () => this.#later(work)),
        defer: (work) => this.#deferred.push(work),
      },
      link: this,
      events: this,
      malformed: () => {
        this.malformed += 1;
      },
    });
    this.connect();
    this.#renew();
  }

  // ---- the node

  follow(topic: string): void {
    if (this.#followed.has(topic)) return;
    this.#followed.add(topic);
    this.presence.follow(topic);
    if (this.isConnected) this.#subscribe(topic);
  }

  unfollow(topic: string): void {
    this.#followed.delete(topic);
    for (const key of this.#told.keys()) if (key.startsWith(`${topic} `)) this.#told.delete(key);
    this.subscriptions.delete(`f:t:${topic}`);
    this.presence.unfollow(topic);
  }

  enter(topic: string, sessionId: string, userId: string): void {
    const sessions = this.sessions.get(topic) ?? new Map<string, string>();
    this.sessions.set(topic, sessions);
    sessions.set(sessionId, userId);
    this.presence.enter(topic, { sessionId, userId, info: { of: userId } });
  }

  exit(topic: string, sessionId: string): void {
    this.sessions.get(topic)?.delete(sessionId);
    this.presence.exit(topic, sessionId);
  }

  came(topic: string, user: TopicUser, count: number): void {
    this.#tell("came", topic, user, count);
  }

  went(topic: string, user: TopicUser, count: number): void {
    this.#tell("went", topic, user, count);
  }

  /** Users that were told to have come and not to have gone, or the other way round. */
  told(topic: string, what: "came" | "went"): string[] {
    const found = [...this.#told].filter(([key, last]) => key.startsWith(`${topic} `) && last === what);
    return found.map(([key]) => key.slice(topic.length + 1)).sort();
  }

  // ---- its link

  run(calls: readonly Call[]): Promise<Replies> {
    if (!this.isConnected) return Promise.reject(new ConnectionLost("away"));
    return new Promise((answer, reject) => {
      this.outbox.push({ calls, answer, lose: () => reject(new ConnectionLost("cut")) });
    });
  }

  refence(): void {
    this.inbox.push(() => this.#takeFence());
  }

  connect(): void {
    if (this.isConnected || this.isDead) return;
    this.isConnected = true;
    this.#takeFence();
    for (const topic of this.#followed) this.#subscribe(topic);
  }

  /**
   * The connections end. `late`: what was on its way is executed by Redis all the same, at that time or later, and the answers
   * are lost.
   */
  cut(late?: (execute: () => void) => void): void {
    if (!this.isConnected) return;
    this.isConnected = false;
    this.subscriptions.clear();
    this.inbox = [];
    const runs = this.outbox;
    this.outbox = [];
    for (const { calls, lose } of runs) {
      late?.(() => {
        for (const call of calls) this.#world.execute(call);
      });
      lose();
    }
    for (const lose of this.#answering) lose();
    this.#answering.clear();
    this.#heldAnswers = [];
    this.presence.lost();
    this.#world.after(200, () => this.#later(() => this.connect()));
  }

  kill(): void {
    this.isDead = true;
    this.isConnected = false;
    this.subscriptions.clear();
    this.inbox = [];
    this.outbox = [];
    this.sessions.clear();
  }

  receive(channel: string, payload: Uint8Array): void {
    this.received.push(payload);
    const envelope = decodeEnvelope(payload);
    if (envelope?.kind === "presence") this.presence.received(channel.slice("f:t:".length), envelope);
    else this.malformed += 1;
  }

  /** Takes a step; answers whether there was one to take. */
  work(): boolean {
    if (this.isPaused || this.isDead) return false;
    const runs = this.isHeld ? [] : this.outbox;
    if (!this.isHeld) this.outbox = [];
    for (const { calls, answer, lose } of runs) {
      const replies = calls.map((call) => this.#world.execute(call));
      this.#answering.add(lose);
      this.#heldAnswers.push(() => {
        this.#answering.delete(lose);
        answer(replies);
      });
    }
    if (!this.areAnswersHeld) this.inbox.push(...this.#heldAnswers.splice(0));
    const works = [...this.#deferred, ...this.inbox];
    this.#deferred = [];
    this.inbox = [];
    for (const work of works) work();
    return runs.length + works.length > 0;
  }

  #subscribe(topic: string): void {
    this.subscriptions.add(`f:t:${topic}`);
    this.inbox.push(() => this.presence.subscribed(topic));
  }

  #takeFence(): void {
    const lease = `f:l:${this.name}`;
    this.fence = Math.max(this.fence, Number(this.#world.string(lease) ?? 0)) + 1;
    this.#world.stored.strings.set(lease, String(this.fence));
    this.#world.expire(lease, leaseMs);
    this.#world.set("f:L").add(this.name);
    this.presence.connected();
  }

  #renew(): void {
    this.#world.after(renewMs, () => this.#later(() => this.#renew()));
    if (!this.isConnected) return;
    const lease = `f:l:${this.name}`;
    if (this.#world.string(lease) !== String(this.fence)) this.#takeFence();
    this.#world.expire(lease, leaseMs);
    this.#world.set("f:L").add(this.name);
  }

  /** A paused process does late what it would have done, a dead one never. */
  #later(work: () => void): void {
    if (this.isPaused) this.#world.after(100, () => this.#later(work));
    else if (!this.isDead) work();
  }

  #tell(what: "came" | "went", topic: string, { userId, info }: TopicUser, count: number): void {
    const key = `${topic} ${userId}`;
    if (this.#told.get(key) === what) throw new Error(`${this.name}: ${userId} ${what} twice`);
    if (info?.of !== userId) throw new Error(`${this.name}: another's info of ${userId}`);
    this.#told.set(key, what);
    this.seen.push(`${what} ${userId} of ${count}`);
  }
}

/** Three nodes that hear of each other; in the topic where `followed`. */
export async function three(followed = true): Promise<[PresenceWorld, WorldNode, WorldNode, WorldNode]> {
  const world = new PresenceWorld();
  const nodes = ["a", "b", "c"].map((name) => world.start(name)) as [WorldNode, WorldNode, WorldNode];
  if (followed) for (const node of nodes) node.follow("room:1");
  await world.settle();
  return [world, ...nodes];
}

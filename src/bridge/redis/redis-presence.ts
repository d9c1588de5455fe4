// Presence over one Redis: a node tells it of its own sessions, and keeps what the others tell of the topics it follows.
// Knows no sockets, and of the connection only when it is there.
//
// The node itself is who knows its sessions; Redis has a copy for the others, and a lease that says whether the node lives. Each
// change is announced on the topic's channel. Every message may be lost and Redis may forget anything: the revision of each
// instance in each topic (store-presence.ts) shows it at the next change, at every new connection, and in a rotation over all
// topics; what differs is read, or told, anew.

import { FanwireError } from "../../errors.ts";
import { MemberTable } from "../../hub/presence.ts";
import { LocalPresence } from "../local-presence.ts";
import type { Member, PresenceEvents, PresencePage, TopicUser } from "../presence.ts";
import { type Arrival, type PresenceEnvelope, PresenceStore } from "../store-presence.ts";
import type { Clock } from "./clock.ts";
import { LeaseWatch } from "./lease-watch.ts";
import type { FencedLink } from "./link.ts";
import { type CompleteInstance, OtherMembers } from "./other-members.ts";
import { OwnMembers } from "./own-members.ts";
import { type Found, PresenceReader } from "./presence-reader.ts";
import { PresenceTeller } from "./presence-teller.ts";
import { Questions } from "./questions.ts";

export interface RedisPresenceOptions {
  /** This server instance; never used again by another. */
  readonly instance: string;
  readonly prefix: string;
  readonly graceMs: number;
  readonly clock: Clock;
  /** Once its fence holds again, `connected` is called. */
  readonly link: FencedLink;
  readonly events: PresenceEvents;
  /** Something in Redis or in its channels that no node can have written. */
  readonly malformed: () => void;
}

/** A topic the node joined. */
interface Followed {
  readonly others: OtherMembers;
  /** Users who came while it was not known yet whether they were there before; undefined once it is. */
  held: Map<string, TopicUser> | undefined;
  /** Nothing is known to be missing. */
  isKnown: boolean;
  /** Told once the check under way is over. */
  waiting: (() => void)[];
}

/** Every topic is compared with Redis once in so many ticks. */
const tickMs = 1000;
const ticksPerRotation = 10;
/** Topics nobody here follows whose members are asked for at the same time. */
const mostAsked = 1000;
/** Of questions, each of which may bring 512 sessions: about 0.3 ms of Redis. */
const callsPerRun = 64;

/** Revisions by instance. */
type Known = readonly (readonly [string, number])[];

export class RedisPresence {
  readonly #options: RedisPresenceOptions;
  readonly #store: PresenceStore;
  readonly #own: OwnMembers;
  readonly #followed = new Map<string, Followed>();
  /** All members known here, own and others, with their grace. */
  readonly #members: LocalPresence;
  readonly #teller: PresenceTeller;
  readonly #reader: PresenceReader;
  readonly #leases: LeaseWatch;
  /** Topics that are being compared with Redis; true where it has to be done again. */
  readonly #checks = new Map<string, boolean>();
  /** Topics in the order in which they were last checked. */
  readonly #rotation = new Set<string>();
  readonly #asked = new Map<string, Promise<readonly Arrival[]>>();
  /** Topics of which the first read is being taken in: who is there now was there before. */
  #quiet: string | undefined;
  #due = 0;
  #stopTick: () => void;

  constructor(options: RedisPresenceOptions) {
    this.#options = options;
    const { instance, prefix, clock, link, graceMs } = options;
    this.#store = new PresenceStore(prefix, options.malformed);
    this.#own = new OwnMembers(instance, this.#store);
    this.#members = new LocalPresence(
      { graceMs, now: () => clock.now(), after: (ms, work) => clock.after(ms, work) },
      { came: (...news) => this.#came(...news), went: (...news) => this.#went(...news) },
    );
    this.#teller = new PresenceTeller(this.#own, link, clock);
    const questions = new Questions((calls) => link.run(calls), callsPerRun);
    this.#reader = new PresenceReader(instance, this.#store, questions);
    this.#leases = new LeaseWatch({
      instance,
      store: this.#store,
      clock,
      ask: (operation) => questions.ask(operation),
      ended: (ended) => this.#ended(ended),
    });
    this.#stopTick = clock.after(tickMs, () => this.#tick());
  }

  // ---- the node's own sessions

  enter(topic: string, member: Member): void {
    // A session's news differs in its time, or who missed one could not tell.
    const knownMs = this.#own.session(topic, member.sessionId)?.atMs ?? 0;
    const atMs = Math.max(this.#options.clock.now(), knownMs + 1);
    this.#own.enter(topic, { ...member, atMs });
    this.#rotation.add(topic);
    this.#members.enter(topic, member);
    this.#teller.flush();
  }

  exit(topic: string, sessionId: string): void {
    this.#own.exit(topic, sessionId);
    this.#members.exit(topic, sessionId);
    this.#teller.flush();
  }

  /** Who is in a topic, as bridge/presence.ts says. Fails at once where Redis is away, and with it when it goes. */
  async present(topic: string, limit: number): Promise<PresencePage> {
    const { link } = this.#options;
    if (!link.isConnected) throw away();
    const followed = this.#followed.get(topic);
    if (!followed) return this.#presentElsewhere(topic, limit);
    if (!followed.isKnown) {
      const checked = this.#checked(followed);
      if (!this.#checks.has(topic)) this.#check(topic);
      await checked;
      if (this.#followed.get(topic) !== followed) return this.present(topic, limit);
      if (!followed.isKnown) throw away();
    }
    return this.#members.present(topic, limit);
  }

  // ---- what the shard tells

  /** A fence holds that did not hold before, and calls can be run. */
  connected(): void {
    this.#leases.start();
    for (const topic of this.#own.topics) this.#check(topic);
    void this.#checkOwnInRedis();
    this.#teller.flush();
  }

  lost(): void {
    this.#leases.stop();
    for (const [topic, followed] of this.#followed) {
      followed.isKnown = false;
      this.#release(topic, followed);
      this.#tellWaiting(followed);
    }
  }

  /** The node joins a topic. */
  follow(topic: string): void {
    const { link } = this.#options;
    const held = link.isConnected ? new Map<string, TopicUser>() : undefined;
    const followed: Followed = { others: this.#othersOf(topic), held, isKnown: false, waiting: [] };
    this.#followed.set(topic, followed);
    this.#rotation.add(topic);
  }

  /** The channel of a followed topic is subscribed, for the first time or again: nothing is missed from now on. */
  subscribed(topic: string): void {
    if (this.#followed.has(topic)) this.#check(topic);
  }

  /** Resolves when it is known who is in a followed topic, or when that cannot be known at the moment. */
  async ready(topic: string): Promise<void> {
    const followed = this.#followed.get(topic);
    if (followed?.held) await this.#checked(followed);
  }

  unfollow(topic: string): void {
    const followed = this.#followed.get(topic);
    if (!followed) return;
    this.#followed.delete(topic);
    followed.others.clear();
    this.#tellWaiting(followed);
  }

  /** A presence envelope came through a topic's channel. */
  received(topic: string, envelope: PresenceEnvelope): void {
    const followed = this.#followed.get(topic);
    if (!followed || envelope.instance === this.#options.instance) return;
    const change = this.#store.decode(envelope);
    if (!change || followed.others.received(change)) return;
    followed.isKnown = false;
    this.#check(topic);
  }

  /** Tells Redis that nobody of this node is anywhere any more, if it can be told soon, and ends. */
  async close(): Promise<void> {
    this.#stopTick();
    this.#leases.stop();
    this.#own.exitAll();
    await this.#teller.close();
    this.#members.close();
  }

  // ---- comparing

  #tick(): void {
    this.#stopTick = this.#options.clock.after(tickMs, () => this.#tick());
    this.#due += this.#rotation.size / ticksPerRotation;
    for (const topic of this.#rotation) {
      if (this.#due < 1) break;
      this.#due -= 1;
      this.#rotation.delete(topic);
      if (!this.#followed.has(topic) && !this.#own.has(topic)) continue;
      this.#rotation.add(topic);
      if (!this.#checks.has(topic)) this.#check(topic);
    }
    this.#teller.flush();
  }

  /** Compares a topic with Redis; again, where that is under way already. */
  #check(topic: string): void {
    if (this.#checks.has(topic)) this.#checks.set(topic, true);
    else if (this.#options.link.isConnected) void this.#compareAll(topic);
  }

  async #compareAll(topic: string): Promise<void> {
    do {
      this.#checks.set(topic, false);
      await this.#compare(topic, this.#followed.get(topic));
    } while (this.#checks.get(topic) && this.#options.link.isConnected);
    this.#checks.delete(topic);
    const followed = this.#followed.get(topic);
    if (followed) this.#tellWaiting(followed);
  }

  async #compare(topic: string, followed: Followed | undefined): Promise<void> {
    followed?.others.begin();
    let expected: number | undefined;
    const known = (): Known => {
      expected = this.#own.revision(topic);
      return [...(followed?.others.known ?? []), [this.#options.instance, expected ?? 0]];
    };
    let found: Found;
    try {
      found = await (followed ? this.#reader.read(topic, known) : this.#reader.readOwn(topic, known));
    } catch {
      // The connection is lost, and after it all is checked; or Redis refused, and the rotation comes here again.
      followed?.others.abandon();
      return;
    }
    if (expected !== undefined && expected !== found.ownRevision) {
      this.#own.differs(topic);
      this.#teller.flush();
    }
    if (followed && this.#followed.get(topic) === followed) this.#takeIn(topic, followed, found.others);
  }

  #takeIn(topic: string, followed: Followed, found: readonly CompleteInstance[]): void {
    this.#quiet = followed.held ? topic : undefined;
    followed.isKnown = followed.others.finish(found);
    this.#quiet = undefined;
    if (followed.isKnown) this.#release(topic, followed);
    else this.#checks.set(topic, true);
  }

  /** Redis may know sessions of this node in topics where it has none: from before it was rolled back. */
  async #checkOwnInRedis(): Promise<void> {
    try {
      for await (const topics of this.#reader.ownTopics()) {
        for (const topic of topics) if (!this.#own.has(topic)) this.#check(topic);
      }
    } catch {
      // Lost, and done again at the next connection; or refused, and then the shard gives the connection up.
    }
  }

  #ended(instance: string): void {
    for (const [topic, { others }] of this.#followed) if (others.has(instance)) this.#check(topic);
  }

  async #presentElsewhere(topic: string, limit: number): Promise<PresencePage> {
    const others = await this.#askOthers(topic);
    const table = new MemberTable(this.#options.graceMs);
    const there = new Set<string>();
    const arrivals = [...others, ...this.#own.sessions(topic)].sort((one, other) => one.atMs - other.atMs);
    for (const arrival of arrivals) {
      table.enter(arrival);
      there.add(arrival.userId);
    }
    const { count, members } = table.page(limit);
    // Of the users within their grace this node knows its own.
    const known = this.#members.present(topic, Number.POSITIVE_INFINITY).members;
    const vacant = known.filter(({ userId, sessions }) => sessions === 0 && !there.has(userId));
    return { count: count + vacant.length, members: [...members, ...vacant].slice(0, limit) };
  }

  /** Sessions of other instances in a topic that nobody here follows; one read for all who ask at once. */
  async #askOthers(topic: string): Promise<readonly Arrival[]> {
    let asked = this.#asked.get(topic);
    if (!asked) {
      if (this.#asked.size >= mostAsked) throw away();
      const known = (): Known => [[this.#options.instance, this.#own.revision(topic) ?? 0]];
      asked = this.#reader
        .read(topic, known)
        .then(({ others }) => others.flatMap(({ instance, sessions }) => named(instance, sessions)))
        .finally(() => this.#asked.delete(topic));
      this.#asked.set(topic, asked);
    }
    try {
      return await asked;
    } catch {
      throw away();
    }
  }

  // ---- what the node is told

  #othersOf(topic: string): OtherMembers {
    return new OtherMembers({
      entered: (key, { userId, info }) => {
        this.#followed.get(topic)?.held?.delete(userId);
        this.#members.enter(topic, { sessionId: key, userId, ...(info && { info }) });
      },
      exited: (key) => this.#members.exit(topic, key),
    });
  }

  #came(topic: string, user: TopicUser, count: number): void {
    const followed = this.#followed.get(topic);
    if (!followed || this.#quiet === topic) return;
    if (followed.held) followed.held.set(user.userId, user);
    else this.#options.events.came(topic, user, count);
  }

  #went(topic: string, user: TopicUser, count: number): void {
    const followed = this.#followed.get(topic);
    if (!followed) return;
    // While the first read is under way, who went may be found there again, and nobody was told of either.
    if (followed.held) followed.held.delete(user.userId);
    else this.#options.events.went(topic, user, count);
  }

  /** It is known who was there before, or cannot be: whoever else came is told. */
  #release(topic: string, followed: Followed): void {
    const users = [...(followed.held?.values() ?? [])];
    followed.held = undefined;
    const { count } = this.#members.present(topic, 0);
    for (const [index, user] of users.entries()) {
      this.#options.events.came(topic, user, count - (users.length - 1 - index));
    }
  }

  #checked(followed: Followed): Promise<void> {
    return new Promise((resolve) => followed.waiting.push(resolve));
  }

  #tellWaiting(followed: Followed): void {
    for (const resolve of followed.waiting.splice(0)) resolve();
  }
}

function named(instance: string, sessions: CompleteInstance["sessions"]): readonly Arrival[] {
  if (sessions === "as known") return [];
  return sessions.map((arrival) => ({ ...arrival, sessionId: `${instance} ${arrival.sessionId}` }));
}

function away(): FanwireError {
  return new FanwireError("unavailable", "Who is there cannot be known at the moment.");
}

// What this node tells the others of its own sessions: which news is still to be told, the calls that tell it, and what their
// replies mean. Knows no connection and no time.

import type { Arrival, PresenceStore, TellOutcome } from "../store-presence.ts";
import type { Operation } from "../store-reply.ts";

/** Bounds of what goes out at once: Redis serves nobody else during one call, and sees a run's calls nearly in one go. */
const sessionsPerCall = 512;
const callsPerRun = 256;
const sessionsPerRun = 4096;
const bytesPerRun = 1024 * 1024;

/** This node's side of one topic. It is forgotten once nobody is there and Redis knows it. */
interface OwnTopic {
  readonly name: string;
  readonly sessions: Map<string, Arrival>;
  /** Sessions that came, went or changed since they were last told. */
  readonly news: Set<string>;
  /** What Redis has of them; 0: nothing. */
  revision: number;
  /** Redis has, or may have, something else: all sessions are told anew. */
  isOff: boolean;
  /** All sessions being told anew, as they were when that began, and how many of them went out. */
  replacing: { readonly arrivals: readonly Arrival[]; sent: number } | undefined;
  /** Calls without a reply. */
  underWay: number;
}

/** A call that tells something. */
export interface Telling {
  readonly topic: OwnTopic;
  readonly operation: Operation<TellOutcome>;
  /** Whether it is of all sessions, and not of what changed. */
  readonly isReplacement: boolean;
  readonly revision: number;
  /** Whether Redis has the revision once this call succeeded, and not only a page of it. */
  readonly isComplete: boolean;
}

export class OwnMembers {
  readonly #instance: string;
  readonly #store: PresenceStore;
  readonly #topics = new Map<string, OwnTopic>();
  /** Topics with something to tell. */
  readonly #pending = new Set<OwnTopic>();
  #lastRevision = 0;

  constructor(instance: string, store: PresenceStore) {
    this.#instance = instance;
    this.#store = store;
  }

  get topics(): Iterable<string> {
    return this.#topics.keys();
  }

  get hasNews(): boolean {
    return this.#pending.size > 0;
  }

  /** How many sessions' news waits: never much more than there are sessions. */
  get newsCount(): number {
    let count = 0;
    for (const { news } of this.#pending) count += news.size;
    return count;
  }

  has(topic: string): boolean {
    return this.#topics.has(topic);
  }

  session(topic: string, sessionId: string): Arrival | undefined {
    return this.#topics.get(topic)?.sessions.get(sessionId);
  }

  sessions(topic: string): Iterable<Arrival> {
    return this.#topics.get(topic)?.sessions.values() ?? [];
  }

  enter(name: string, arrival: Arrival): void {
    const topic = this.#open(name);
    topic.sessions.set(arrival.sessionId, arrival);
    this.#note(topic, arrival.sessionId);
  }

  exit(name: string, sessionId: string): void {
    const topic = this.#topics.get(name);
    if (topic?.sessions.delete(sessionId)) this.#note(topic, sessionId);
  }

  exitAll(): void {
    for (const topic of this.#topics.values()) {
      topic.sessions.clear();
      this.#tellAnew(topic);
    }
  }

  /** What Redis must have of this node in a topic; undefined where that is not certain at the moment. */
  revision(name: string): number | undefined {
    const topic = this.#topics.get(name);
    if (!topic) return 0;
    return topic.isOff || topic.underWay > 0 ? undefined : topic.revision;
  }

  /** Redis has something else of this node in a topic than it was told. */
  differs(name: string): void {
    this.#tellAnew(this.#open(name));
  }

  /** The next calls, within the bounds of one run; to be called once those before are settled. */
  take(fence: number): readonly Telling[] {
    const tellings: Telling[] = [];
    let sessions = 0;
    let bytes = 0;
    for (const topic of [...this.#pending]) {
      this.#pending.delete(topic);
      do {
        const telling = this.#next(topic, fence);
        topic.underWay += 1;
        tellings.push(telling);
        // A session has two arguments; a call some more of its own.
        const { args } = telling.operation.call;
        sessions += args.length / 2;
        for (const part of args) bytes += part instanceof Uint8Array ? part.length : 16;
        if (tellings.length >= callsPerRun || sessions >= sessionsPerRun || bytes >= bytesPerRun) {
          return tellings;
        }
      } while (topic.replacing);
    }
    return tellings;
  }

  settle({ topic, revision, isComplete }: Telling, outcome: TellOutcome): void {
    topic.underWay -= 1;
    if (outcome === "fenced" || outcome === "unexpected") this.#tellAnew(topic);
    else if (isComplete) topic.revision = outcome === "told" ? revision : 0;
    this.#queue(topic);
  }

  /**
   * The connection ended, and nobody knows whether these were executed. As if they were: every topic is compared with Redis at the
   * next connection, and a change that begins from another revision is refused before that.
   */
  lost(tellings: readonly Telling[]): void {
    for (const telling of tellings) this.settle(telling, "told");
  }

  #open(name: string): OwnTopic {
    let topic = this.#topics.get(name);
    if (!topic) {
      const fresh = { revision: 0, isOff: false, replacing: undefined, underWay: 0 };
      topic = { name, sessions: new Map(), news: new Set(), ...fresh };
      this.#topics.set(name, topic);
    }
    return topic;
  }

  #note(topic: OwnTopic, sessionId: string): void {
    if (!topic.isOff) topic.news.add(sessionId);
    // However many come and go while Redis is slow or away, what is kept of them is bounded by who is there.
    if (topic.news.size > topic.sessions.size + sessionsPerCall) this.#tellAnew(topic);
    else this.#queue(topic);
  }

  #tellAnew(topic: OwnTopic): void {
    topic.isOff = true;
    topic.replacing = undefined;
    topic.news.clear();
    this.#queue(topic);
  }

  #queue(topic: OwnTopic): void {
    const isUntold = topic.revision === 0 && topic.underWay === 0 && !topic.isOff && !topic.replacing;
    if (isUntold && topic.sessions.size === 0) {
      this.#topics.delete(topic.name);
      this.#pending.delete(topic);
    } else if (topic.isOff || topic.replacing || topic.news.size > 0) this.#pending.add(topic);
  }

  #next(topic: OwnTopic, fence: number): Telling {
    if (topic.isOff) {
      topic.isOff = false;
      topic.replacing = { arrivals: [...topic.sessions.values()], sent: 0 };
    }
    return topic.replacing ? this.#page(topic, topic.replacing, fence) : this.#change(topic, fence);
  }

  #page(topic: OwnTopic, replacing: NonNullable<OwnTopic["replacing"]>, fence: number): Telling {
    const from = replacing.sent;
    const total = replacing.arrivals.length;
    const arrivals = replacing.arrivals.slice(from, from + sessionsPerCall);
    replacing.sent += arrivals.length;
    const isComplete = replacing.sent === total;
    if (isComplete) topic.replacing = undefined;
    const page = { arrivals, isFirst: from === 0, ...(isComplete && { total }) };
    const revision = ++this.#lastRevision;
    const operation = this.#store.replace(this.#at(topic), fence, revision, page);
    return { topic, operation, isReplacement: true, revision, isComplete };
  }

  #change(topic: OwnTopic, fence: number): Telling {
    const exits: string[] = [];
    const arrivals: Arrival[] = [];
    for (const sessionId of topic.news) {
      if (exits.length + arrivals.length === sessionsPerCall) break;
      topic.news.delete(sessionId);
      const arrival = topic.sessions.get(sessionId);
      if (arrival) arrivals.push(arrival);
      else exits.push(sessionId);
    }
    const before = topic.revision;
    const revision = ++this.#lastRevision;
    const change = { instance: this.#instance, before, revision, news: { exits, arrivals } };
    const operation = this.#store.change(this.#at(topic), fence, change);
    return { topic, operation, isReplacement: false, revision, isComplete: true };
  }

  #at(topic: OwnTopic) {
    return { instance: this.#instance, topic: topic.name };
  }
}

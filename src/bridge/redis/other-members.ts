// What the other instances told of their sessions in one topic, and whether any of it was missed. Knows no connection and no time.

import type { Arrival, InstanceSessions, PresenceChange } from "../store-presence.ts";

/** Changes kept while a read is under way, in sessions; past it another read follows this one. */
const mostWaiting = 4096;

interface Instance {
  /** Names what is known here of its sessions. */
  revision: number;
  readonly sessions: Map<string, Arrival>;
}

export interface OtherMembersEvents {
  /** `key` names a session among those of all instances. */
  entered(key: string, arrival: Arrival): void;
  exited(key: string): void;
}

/** What a read found, with all sessions of those instances that are not known already. */
export interface CompleteInstance extends InstanceSessions {
  readonly sessions: readonly Arrival[] | "as known";
}

export class OtherMembers {
  readonly #events: OtherMembersEvents;
  readonly #instances = new Map<string, Instance>();
  /** What arrived since the read under way began; undefined where there is none. */
  #waiting: PresenceChange[] | undefined;
  #waitingSessions = 0;

  constructor(events: OtherMembersEvents) {
    this.#events = events;
  }

  /** Revisions by instance. */
  get known(): readonly (readonly [string, number])[] {
    return [...this.#instances].map(([instance, { revision }]) => [instance, revision]);
  }

  has(instance: string): boolean {
    return this.#instances.has(instance);
  }

  /** Answers whether nothing is known to be missed before it. Otherwise the topic has to be read. */
  received(change: PresenceChange): boolean {
    if (!this.#waiting) return this.#apply(change);
    this.#waitingSessions += change.news ? change.news.exits.length + change.news.arrivals.length : 1;
    if (this.#waitingSessions <= mostWaiting) this.#waiting.push(change);
    return true;
  }

  /** A read begins: what arrives from now on waits for its answer, which may be older or newer. */
  begin(): void {
    this.#waiting ??= [];
    this.#waitingSessions = 0;
  }

  /** The read came to nothing. What waited is dropped: another read has to follow. */
  abandon(): void {
    this.#waiting = undefined;
  }

  /** Takes over what a read found, and then what arrived meanwhile. Answers whether that fits; else another read follows. */
  finish(found: readonly CompleteInstance[]): boolean {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    const there = new Set(found.map(({ instance }) => instance));
    for (const [name, instance] of this.#instances) {
      if (!there.has(name)) this.#remove(name, instance);
    }
    const arrived: [string, Instance, Arrival][] = [];
    for (const { instance: name, revision, sessions } of found) {
      if (sessions === "as known") continue;
      const instance = this.#instance(name);
      instance.revision = revision;
      this.#keepOnly(name, instance, new Set(sessions.map(({ sessionId }) => sessionId)));
      for (const arrival of sessions) arrived.push([name, instance, arrival]);
    }
    // As they came, over all instances: that is the order in which users are listed.
    arrived.sort(([, , one], [, , other]) => one.atMs - other.atMs);
    for (const [name, instance, arrival] of arrived) {
      const known = instance.sessions.get(arrival.sessionId);
      if (known?.atMs === arrival.atMs && known.userId === arrival.userId) continue;
      this.#enter(name, instance, arrival);
    }
    let isWhole = this.#waitingSessions <= mostWaiting;
    for (const change of waiting) isWhole = this.#apply(change) && isWhole;
    return isWhole;
  }

  clear(): void {
    for (const [name, instance] of this.#instances) this.#remove(name, instance);
  }

  #apply({ instance: name, before, revision, news }: PresenceChange): boolean {
    const known = this.#instances.get(name)?.revision ?? 0;
    if (revision <= known) return true;
    if (before !== known || !news) return false;
    const instance = this.#instance(name);
    instance.revision = revision;
    for (const sessionId of news.exits) {
      if (instance.sessions.delete(sessionId)) this.#events.exited(keyOf(name, sessionId));
    }
    for (const arrival of news.arrivals) this.#enter(name, instance, arrival);
    if (instance.sessions.size === 0) this.#instances.delete(name);
    return true;
  }

  #instance(name: string): Instance {
    let instance = this.#instances.get(name);
    if (!instance) {
      instance = { revision: 0, sessions: new Map() };
      this.#instances.set(name, instance);
    }
    return instance;
  }

  #enter(name: string, instance: Instance, arrival: Arrival): void {
    const key = keyOf(name, arrival.sessionId);
    const known = instance.sessions.get(arrival.sessionId);
    if (known && known.userId !== arrival.userId) this.#events.exited(key);
    instance.sessions.set(arrival.sessionId, arrival);
    this.#events.entered(key, arrival);
  }

  #keepOnly(name: string, { sessions }: Instance, kept: ReadonlySet<string>): void {
    for (const sessionId of sessions.keys()) {
      if (kept.has(sessionId)) continue;
      sessions.delete(sessionId);
      this.#events.exited(keyOf(name, sessionId));
    }
  }

  #remove(name: string, instance: Instance): void {
    this.#keepOnly(name, instance, new Set());
    this.#instances.delete(name);
  }
}

/** Instances have no blank in their names. */
function keyOf(instance: string, sessionId: string): string {
  return `${instance} ${sessionId}`;
}

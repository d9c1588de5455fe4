// Presence in one Redis as typed calls and checked replies, and the envelope that announces a change; knows no connection and
// no state.

import { pack } from "../wire/msgpack.ts";
import type { Argument, RedisError, Reply } from "./connection.ts";
import { type Envelope, isName, presenceHead, unpackValue } from "./envelope.ts";
import type { Member, UserInfo } from "./presence.ts";
import { StoreKeys } from "./store-keys.ts";
import { accepted, type Operation } from "./store-reply.ts";

/** A session as it is told to others. `atMs`: when its node learned of it, or of its newest `info`, in Unix milliseconds. */
export interface Arrival extends Member {
  readonly atMs: number;
}

/**
 * What one instance told of its sessions in a topic. `revision`: a number that an instance uses once and that grows, so it
 * names exactly what Redis has of the instance afterwards. `before`: the revision it changes, 0 where nobody of the instance
 * was there. (So a loss shows at the next change, and one compare of revisions shows it at any time. A counter per topic would
 * be shared by all writers, start again in an emptied Redis, and have everything read anew for one lost message.)
 */
export interface PresenceChange {
  readonly instance: string;
  readonly before: number;
  readonly revision: number;
  /** Absent: all sessions of the instance were replaced and have to be read. */
  readonly news?: { readonly exits: readonly string[]; readonly arrivals: readonly Arrival[] };
}

export type PresenceEnvelope = Extract<Envelope, { kind: "presence" }>;

/** What an answer has of one instance: its sessions, or that the revision asked with is right, or that they are too many. */
export interface InstanceSessions {
  readonly instance: string;
  readonly revision: number;
  readonly sessions: readonly Arrival[] | "as known" | "too many";
}

export type TellOutcome = "fenced" | "told" | "unexpected" | "told, nobody left";

interface SessionPage {
  readonly cursor: string;
  readonly arrivals: readonly Arrival[];
}

interface TopicPage {
  readonly cursor: string;
  readonly topics: readonly string[];
}

export interface TopicInstance {
  readonly instance: string;
  readonly topic: string;
}

const outcomes: readonly TellOutcome[] = ["fenced", "told", "unexpected", "told, nobody left"];
/** Session ids and user ids are shorter; whatever is longer is not ours. */
const maxIdLength = 1024;

export class PresenceStore {
  readonly #keys: StoreKeys;
  readonly #malformed: () => void;

  /** `malformed` is called for each thing found that this project cannot have written. */
  constructor(prefix: string, malformed: () => void) {
    this.#keys = new StoreKeys(prefix);
    this.#malformed = malformed;
  }

  change(at: TopicInstance, fence: number, change: Required<PresenceChange>): Operation<TellOutcome> {
    const { exits, arrivals } = change.news;
    const args: Argument[] = [fence, at.instance, at.topic, change.before, change.revision];
    args.push(this.encode(change), exits.length, ...exits);
    for (const arrival of arrivals) args.push(arrival.sessionId, packMember(arrival));
    return { call: { script: "changePresence", keys: this.#keysOf(at), args }, parse: tellOutcome };
  }

  /** `total`: how many sessions there are in all, at the last page. */
  replace(
    at: TopicInstance,
    fence: number,
    revision: number,
    page: { readonly arrivals: readonly Arrival[]; readonly isFirst: boolean; readonly total?: number },
  ): Operation<TellOutcome> {
    const envelope = this.encode({ instance: at.instance, before: 0, revision });
    const args: Argument[] = [fence, at.instance, at.topic, revision, envelope];
    args.push(page.isFirst ? 1 : 0, page.total ?? -1);
    for (const arrival of page.arrivals) args.push(arrival.sessionId, packMember(arrival));
    // Under another fence there are other pages: a connection that died left some, perhaps not the first.
    const pages = this.#keys.sessionPages(at.instance, fence, at.topic);
    const keys = [...this.#keysOf(at), pages];
    return { call: { script: "replacePresence", keys, args }, parse: tellOutcome };
  }

  /** `known`: revisions by instance. `mostSessions`: of all instances together that the answer may bring. */
  read(
    topic: string,
    known: Iterable<readonly [string, number]>,
    mostSessions: number,
  ): Operation<readonly InstanceSessions[]> {
    const args: Argument[] = [this.#keys.lease(""), this.#keys.sessionKeys, topic, mostSessions];
    for (const [instance, revision] of known) args.push(instance, revision);
    const call = { script: "readPresence", keys: [this.#keys.revisions(topic)], args } as const;
    return { call, parse: (reply) => this.#instancesIn(accepted(reply)) };
  }

  /** A page of the sessions of one instance. The page with cursor "0" is the last. */
  scan(at: TopicInstance, cursor: string, count: number): Operation<SessionPage> {
    const keys = [this.#keys.sessions(at.instance, at.topic)];
    return {
      call: { script: "scanPresence", keys, args: [cursor, count] },
      parse: (reply) => {
        const [next, sessions] = listOf(accepted(reply));
        return { cursor: textOf(next) ?? "0", arrivals: this.#arrivals(listOf(sessions)) };
      },
    };
  }

  /** A page of the topics in which Redis has sessions of an instance. The page with cursor "0" is the last. */
  scanTopics(instance: string, cursor: string, count: number): Operation<TopicPage> {
    const keys = [this.#keys.sessionTopics(instance)];
    return {
      call: { script: "scanPresenceTopics", keys, args: [cursor, count] },
      parse: (reply) => {
        const [next, topics] = listOf(accepted(reply));
        const named = listOf(topics).map(textOf);
        return { cursor: textOf(next) ?? "0", topics: named.filter((topic) => topic !== undefined) };
      },
    };
  }

  /** Milliseconds that are left, by instance; negative where the lease has run out. */
  leases(): Operation<ReadonlyMap<string, number>> {
    return {
      call: { script: "readLeases", keys: [this.#keys.instances], args: [this.#keys.lease("")] },
      parse: (reply) => this.#leasesIn(accepted(reply)),
    };
  }

  /** Whether there is more to remove. */
  purge(instance: string, mostTopics: number): Operation<boolean> {
    const keys = [this.#keys.lease(instance), this.#keys.sessionTopics(instance), this.#keys.instances];
    const args = [this.#keys.revisions(""), this.#keys.sessionKeys, mostTopics, instance];
    return { call: { script: "purgePresence", keys, args }, parse: (reply) => accepted(reply) === 1 };
  }

  /** The envelope's version is the revision, its changes are [before] or [before, exits, arrivals]. */
  encode({ instance, before, revision, news }: PresenceChange): Uint8Array {
    const changes = news ? [before, news.exits, news.arrivals.map(fieldsOf)] : [before];
    return Buffer.concat([presenceHead(instance), pack(revision), pack(changes)]);
  }

  /** Undefined, and counted, where it makes no sense. */
  decode(envelope: PresenceEnvelope): PresenceChange | undefined {
    const change = changeOf(envelope);
    if (!change) this.#malformed();
    return change;
  }

  /** Keys of lease, revisions, sessions, topics, and the channel. */
  #keysOf({ instance, topic }: TopicInstance): readonly string[] {
    return [
      this.#keys.lease(instance),
      this.#keys.revisions(topic),
      this.#keys.sessions(instance, topic),
      this.#keys.sessionTopics(instance),
      this.#keys.channel(topic),
    ];
  }

  #instancesIn(reply: Reply): readonly InstanceSessions[] {
    const found: InstanceSessions[] = [];
    const items = listOf(reply);
    for (let at = 0; at + 2 < items.length; at += 3) {
      const instance = nameOf(items[at]);
      const revision = integerOf(items[at + 1]);
      const sessions = items[at + 2];
      if (instance === undefined || revision === undefined) this.#malformed();
      else if (Array.isArray(sessions))
        found.push({ instance, revision, sessions: this.#arrivals(sessions) });
      else found.push({ instance, revision, sessions: sessions === 0 ? "as known" : "too many" });
    }
    return found;
  }

  #leasesIn(reply: Reply): ReadonlyMap<string, number> {
    const left = new Map<string, number>();
    const items = listOf(reply);
    for (let at = 0; at + 1 < items.length; at += 2) {
      const instance = nameOf(items[at]);
      const leftMs = items[at + 1];
      if (instance === undefined || typeof leftMs !== "number") this.#malformed();
      else left.set(instance, leftMs);
    }
    return left;
  }

  #arrivals(items: readonly (Reply | undefined)[]): readonly Arrival[] {
    const arrivals: Arrival[] = [];
    for (let at = 0; at + 1 < items.length; at += 2) {
      const packed = items[at + 1];
      const fields = packed instanceof Uint8Array ? unpackValue(packed) : undefined;
      const arrival = Array.isArray(fields) ? arrivalOf([textOf(items[at]), ...fields]) : undefined;
      if (arrival) arrivals.push(arrival);
      else this.#malformed();
    }
    return arrivals;
  }
}

function tellOutcome(reply: Reply | RedisError | undefined): TellOutcome {
  const outcome = accepted(reply);
  return (typeof outcome === "number" ? outcomes[outcome] : undefined) ?? "unexpected";
}

function changeOf({ instance, version: revision, changes }: PresenceEnvelope): PresenceChange | undefined {
  if (!Array.isArray(changes)) return undefined;
  const [before, exits, arrivals] = changes;
  if (!isCount(before) || before >= revision) return undefined;
  if (changes.length === 1) return { instance, before, revision };
  if (changes.length !== 3 || !Array.isArray(exits) || !Array.isArray(arrivals)) return undefined;
  const members = arrivals.map(arrivalOf).filter((arrival) => arrival !== undefined);
  if (!exits.every(isId) || members.length < arrivals.length) return undefined;
  return { instance, before, revision, news: { exits, arrivals: members } };
}

function fieldsOf({ sessionId, userId, atMs, info }: Arrival): unknown[] {
  return info === undefined ? [sessionId, userId, atMs] : [sessionId, userId, atMs, info];
}

function packMember(arrival: Arrival): Uint8Array {
  return pack(fieldsOf(arrival).slice(1));
}

function arrivalOf(fields: unknown): Arrival | undefined {
  if (!Array.isArray(fields) || fields.length < 3 || fields.length > 4) return undefined;
  const [sessionId, userId, atMs, info] = fields;
  if (!isId(sessionId) || !isId(userId) || !isCount(atMs)) return undefined;
  if (fields.length === 3) return { sessionId, userId, atMs };
  return isInfo(info) ? { sessionId, userId, atMs, info } : undefined;
}

function isId(value: unknown): value is string {
  return typeof value === "string" && value.length > 0 && value.length <= maxIdLength;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isInfo(value: unknown): value is UserInfo {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(reply: Reply | undefined): readonly Reply[] {
  return Array.isArray(reply) ? (reply as readonly Reply[]) : [];
}

function textOf(reply: Reply | undefined): string | undefined {
  return reply instanceof Uint8Array ? Buffer.from(reply).toString() : undefined;
}

function nameOf(reply: Reply | undefined): string | undefined {
  const text = textOf(reply);
  return text !== undefined && isName(text) ? text : undefined;
}

function integerOf(reply: Reply | undefined): number | undefined {
  const value = Number(textOf(reply));
  return isCount(value) ? value : undefined;
}

// What the scripts of src/bridge/scripts-presence.ts do, once more and in TypeScript, over a model of Redis's data.

import type { Argument, Reply } from "../../src/bridge/connection.ts";
import type { PresenceScript } from "../../src/bridge/scripts-presence.ts";

/** What the scripts touch of a Redis; strings, hashes and sets by their keys. */
export interface ModelData {
  string(key: string): string | undefined;
  /** The one stored, or an empty one that is stored with its first entry. */
  hash(key: string): Map<string, Uint8Array>;
  set(key: string): Set<string>;
  delete(key: string): void;
  rename(from: string, to: string): void;
  /** Milliseconds left, -1 without an end, -2 without the key. */
  leftMs(key: string): number;
  expire(key: string, afterMs: number | undefined): void;
  publish(channel: string, payload: Uint8Array): void;
}

type Script = (data: ModelData, keys: readonly string[], args: readonly Argument[]) => Reply;

const text = (argument: Argument | undefined): string =>
  argument instanceof Uint8Array ? Buffer.from(argument).toString() : String(argument);
const bytes = (argument: Argument): Uint8Array =>
  argument instanceof Uint8Array ? argument : Buffer.from(String(argument));

function putAll(hash: Map<string, Uint8Array>, pairs: readonly Argument[]): void {
  for (let at = 0; at < pairs.length; at += 2) hash.set(text(pairs[at]), bytes(pairs[at + 1]!));
}

const entriesOf = (hash: ReadonlyMap<string, Uint8Array>): Reply =>
  [...hash].flatMap(([field, value]) => [bytes(field), value]);

/** Whether anybody is left, after what Redis knows of the topic and of the instance was made to agree with it. */
function noteLeft(data: ModelData, keys: readonly string[], args: readonly Argument[], at: number): Reply {
  const [, revisions, sessions, topics] = keys as [string, string, string, string];
  const [, instance, topic] = args.map(text) as [string, string, string];
  const isLeft = data.hash(sessions).size > 0;
  if (isLeft) {
    data.hash(revisions).set(instance, bytes(text(args[at])));
    data.set(topics).add(topic);
  } else {
    data.hash(revisions).delete(instance);
    data.set(topics).delete(topic);
  }
  return isLeft ? 1 : 3;
}

const changePresence: Script = (data, keys, args) => {
  const [lease, revisions, sessions, , channel] = keys as [string, string, string, string, string];
  const [fence, instance, , before, , , exits] = args.map(text) as string[];
  if (data.string(lease) !== fence) return 0;
  const revision = data.hash(revisions).get(instance!);
  if ((revision ? text(revision) : "0") !== before) return 2;
  const enters = 7 + Number(exits);
  for (const sessionId of args.slice(7, enters)) data.hash(sessions).delete(text(sessionId));
  putAll(data.hash(sessions), args.slice(enters));
  const outcome = noteLeft(data, keys, args, 4);
  data.publish(channel, bytes(args[5]!));
  return outcome;
};

const replacePresence: Script = (data, keys, args) => {
  const [lease, , sessions, , channel, pages] = keys as [string, string, string, string, string, string];
  if (data.string(lease) !== text(args[0])) return 0;
  if (text(args[5]) === "1") data.delete(pages);
  putAll(data.hash(pages), args.slice(7));
  if (text(args[6]) === "-1") {
    data.expire(pages, 60_000);
    return 1;
  }
  if (data.hash(pages).size !== Number(text(args[6]))) {
    data.delete(pages);
    return 2;
  }
  data.delete(sessions);
  data.expire(pages, undefined);
  data.rename(pages, sessions);
  const outcome = noteLeft(data, keys, args, 3);
  data.publish(channel, bytes(args[4]!));
  return outcome;
};

const readPresence: Script = (data, [revisions], args) => {
  const [leases, sessionsAt, topic] = args.map(text) as [string, string, string];
  const known = new Map<string, string>();
  for (let at = 4; at < args.length; at += 2) known.set(text(args[at]), text(args[at + 1]));
  let room = Number(args[3]);
  const found: Reply[] = [];
  for (const [instance, revision] of data.hash(revisions!)) {
    if (data.leftMs(leases + instance) === -2) continue;
    let sessions: Reply = 0;
    if (known.get(instance) !== text(revision)) {
      const hash = data.hash(`${sessionsAt}${instance}:${topic}`);
      sessions = hash.size > room ? 1 : entriesOf(hash);
      if (hash.size <= room) room -= hash.size;
    }
    found.push(bytes(instance), revision, sessions);
  }
  return found;
};

/** A field's place in a scan: what comes and goes meanwhile moves no other, so that whatever stays is found. */
function placeOf(field: string): number {
  let place = 17;
  for (const byte of Buffer.from(field)) place = (Math.imul(place, 31) + byte) >>> 0;
  return place + 1;
}

/** About two a page, or as many as asked for where that is less: so that a test has pages. */
function page(fields: Iterable<string>, cursor: string, count: number) {
  const rest = [...fields].filter((field) => placeOf(field) > Number(cursor));
  rest.sort((one, other) => placeOf(one) - placeOf(other));
  const last = placeOf(rest[Math.min(count, 2, rest.length) - 1] ?? "");
  const found = rest.filter((field) => placeOf(field) <= last);
  return { cursor: bytes(found.length < rest.length ? String(last) : "0"), found };
}

const scanPresence: Script = (data, [sessions], [from, count]) => {
  const hash = data.hash(sessions!);
  const { cursor, found } = page(hash.keys(), text(from), Number(count));
  return [cursor, found.flatMap((field) => [bytes(field), hash.get(field)!])];
};

const scanPresenceTopics: Script = (data, [topics], [from, count]) => {
  const { cursor, found } = page(data.set(topics!), text(from), Number(count));
  return [cursor, found.map(bytes)];
};

const readLeases: Script = (data, [instances], [leases]) =>
  [...data.set(instances!)].flatMap((instance) => {
    const leftMs = data.leftMs(text(leases) + instance);
    return [bytes(instance), leftMs === -1 ? 1_000_000 : leftMs];
  });

const purgePresence: Script = (data, [lease, topics, instances], args) => {
  if (data.leftMs(lease!) !== -2) return 0;
  const [revisions, sessions, most, instance] = args.map(text) as [string, string, string, string];
  for (const topic of [...data.set(topics!)].slice(0, Number(most))) {
    data.set(topics!).delete(topic);
    data.hash(revisions + topic).delete(instance);
    data.delete(`${sessions}${instance}:${topic}`);
  }
  if (data.set(topics!).size > 0) return 1;
  data.set(instances!).delete(instance);
  return 0;
};

export const modelPresenceScripts: Readonly<Record<PresenceScript, Script>> = {
  changePresence,
  replacePresence,
  readPresence,
  scanPresence,
  scanPresenceTopics,
  readLeases,
  purgePresence,
};

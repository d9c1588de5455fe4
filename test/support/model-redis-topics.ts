// What the scripts of src/bridge/scripts-topics.ts do, once more and in TypeScript, over a model of Redis's data.

import { type Argument, RedisError, type Reply } from "../../src/bridge/connection.ts";
import { packedArray, unpackValue } from "../../src/bridge/envelope.ts";
import type { topicScripts } from "../../src/bridge/scripts-topics.ts";
import { pack } from "../../src/wire/msgpack.ts";
import { bytes, type ModelData, type ModelEntry, type ModelMeta, text } from "./model-redis-data.ts";

/** What a script is run with; `replid` is the one of the Redis that runs it. */
export type ModelScript = (
  data: ModelData,
  keys: readonly string[],
  args: readonly Argument[],
  replid: string,
) => Reply | RedisError;

const recordsKept = 40;
const recordTtlMs = 600_000;
const cleanUpMs = 60_000;

function open(data: ModelData, keys: readonly string[], epoch: string, replid: string): ModelMeta {
  const [key, ...others] = keys as [string, ...string[]];
  const known = data.meta(key);
  if (!known) {
    for (const other of others) data.delete(other);
    const fresh: ModelMeta = {
      ...{ epoch, replid, offset: 0, begins: 0, previous: "", forgotten: 0 },
      records: new Map(),
    };
    data.setMeta(key, fresh);
    return fresh;
  }
  if (known.replid !== replid) {
    known.previous = known.epoch;
    known.epoch = epoch;
    known.begins = known.offset;
    known.replid = replid;
  }
  return known;
}

interface Rule {
  readonly size: number;
  readonly ttlMs: number;
  readonly maxBytes: number;
}

function trim(entries: ModelEntry[], offset: number, { size, ttlMs, maxBytes }: Rule, now: number): void {
  let total = 0;
  for (const { payload } of entries) total += payload.length;
  while (entries.length > 0) {
    const { last, oldest, payload } = entries[0]!;
    if (last > offset - size && oldest + ttlMs > now && total <= maxBytes) return;
    entries.shift();
    total -= payload.length;
  }
}

function forget(data: ModelData, key: string, meta: ModelMeta, maxKeys: number, ttlMs: number, now: number) {
  const values = data.values(key);
  const removals = [...values].filter(([, { isRemoval }]) => isRemoval);
  let left = removals.length;
  for (const [name, { offset, item }] of removals) {
    const [timestamp] = unpackValue(item) as [number];
    if (left <= maxKeys && timestamp + ttlMs > now) return;
    values.delete(name);
    left -= 1;
    meta.forgotten = offset;
  }
}

/** A batch under way: what both modes need. */
class Append {
  readonly data: ModelData;
  readonly meta: ModelMeta;
  readonly now: number;
  readonly first: number;
  readonly #args: readonly Argument[];
  readonly #outcomes: string[] = [];
  readonly #items: Uint8Array[] = [];
  accepted = 0;

  constructor(data: ModelData, meta: ModelMeta, args: readonly Argument[]) {
    this.data = data;
    this.meta = meta;
    this.#args = args;
    this.now = Number(args[3]);
    this.first = meta.offset + 1;
  }

  get offset(): number {
    return this.meta.offset + this.accepted;
  }

  takeAll(count: number): void {
    this.accepted = count;
  }

  /** Whether the publication is new under its idempotency key, and not one too many. */
  take(idempotencyKey: string, item: Uint8Array, isTooMany: () => boolean): boolean {
    const first = idempotencyKey === "" ? undefined : this.#firstUnder(idempotencyKey);
    if (first !== undefined) this.#outcomes.push(`=${first}`);
    else if (isTooMany()) this.#outcomes.push("!");
    else {
      this.#outcomes.push("+");
      this.#items.push(item);
      this.accepted += 1;
      if (idempotencyKey !== "") this.#remember(idempotencyKey);
      return true;
    }
    return false;
  }

  end(ttlMs: number, key: string): Reply {
    const { meta } = this;
    meta.offset = this.offset;
    const said = this.#outcomes.every((outcome) => outcome === "+") ? "" : this.#outcomes.join(" ");
    const reply = [meta.epoch, this.first, this.accepted, said] as const;
    meta.records.set(text(this.#args[0]), { batch: Number(this.#args[2]), at: this.now, reply });
    this.data.expire(key, ttlMs);
    return executedReply(reply);
  }

  /** The envelope; `body`: the array of what was accepted, where it is packed already. */
  payload(body = packedArray(this.#items)): Uint8Array {
    const { epoch } = this.meta;
    return Buffer.concat([bytes(this.#args[7]!), pack(epoch), pack(this.first), body]);
  }

  #firstUnder(key: string): string | undefined {
    const [epoch, offset, untilMs] = this.data.string(text(this.#args[8]) + key)?.split(" ") ?? [];
    return Number(untilMs) > this.now ? `${epoch}:${offset}` : undefined;
  }

  #remember(key: string): void {
    const ttlMs = Number(this.#args[9]);
    const value = `${this.meta.epoch} ${this.offset} ${this.now + ttlMs}`;
    this.data.setString(text(this.#args[8]) + key, value, ttlMs + cleanUpMs);
  }
}

function executedReply([epoch, first, count, outcomes]: readonly [string, number, number, string]): Reply {
  return [1, bytes(epoch), first, count, bytes(outcomes)];
}

/** An append that may begin, or the reply to one that may not or did before. */
function begin(
  data: ModelData,
  keys: readonly string[],
  args: readonly Argument[],
  replid: string,
): Append | { readonly reply: Reply | RedisError } {
  const [key, lease, ...others] = keys as [string, string, ...string[]];
  const [instance, fence] = args.map((argument) => text(argument)) as [string, string];
  if (data.string(lease) !== fence) return { reply: [0] };
  const before = data.meta(key)?.records.get(instance);
  const batch = Number(args[2]);
  if (before && before.batch > batch)
    return { reply: new RedisError("STALE this batch was followed by another") };
  if (before?.batch === batch) return { reply: executedReply(before.reply) };
  const meta = open(data, [key, ...others], text(args[4]), replid);
  const append = new Append(data, meta, args);
  if (!before && meta.records.size > recordsKept) {
    for (const [other, { at }] of meta.records) {
      if (at + recordTtlMs < append.now) meta.records.delete(other);
    }
  }
  return append;
}

const appendStream: ModelScript = (data, keys, args, replid) => {
  const append = begin(data, keys, args, replid);
  if ("reply" in append) return append.reply;
  const [key, , stream] = keys as [string, string, string];
  const [size, ttlMs, maxBytes, oldest, count] = args.slice(10, 15).map(Number) as number[];
  const body = bytes(args[15]!);
  const isOneBody = args.length === 16;
  if (isOneBody) append.takeAll(count!);
  else {
    const idempotencyKeys = unpackValue(bytes(args[16]!)) as readonly string[];
    const lengths = unpackValue(bytes(args[17]!)) as readonly number[];
    let at = count! < 16 ? 1 : 3;
    for (const [index, length] of lengths.entries()) {
      append.take(idempotencyKeys[index]!, body.subarray(at, at + length), () => false);
      at += length;
    }
  }
  if (append.accepted > 0) {
    const payload = isOneBody ? append.payload(body) : append.payload();
    data.stream(stream).push({ last: append.offset, oldest: oldest!, payload });
    const rule = { size: size!, ttlMs: ttlMs!, maxBytes: maxBytes! };
    trim(data.stream(stream), append.offset, rule, append.now);
    data.expire(stream, rule.ttlMs + cleanUpMs);
    data.publish(text(args[6]), payload);
  }
  return append.end(Number(args[5]), key);
};

const appendLatest: ModelScript = (data, keys, args, replid) => {
  const append = begin(data, keys, args, replid);
  if ("reply" in append) return append.reply;
  const [key, , valuesKey] = keys as [string, string, string];
  const [maxKeys, removalTtlMs] = args.slice(10, 12).map(Number) as [number, number];
  const values = data.values(valuesKey);
  const isThere = (name: string) => values.get(name)?.isRemoval === false;
  for (let at = 13; at < args.length; at += 4) {
    const [name, isRemoval, item] = [text(args[at + 1]), text(args[at + 2]) === "1", bytes(args[at + 3]!)];
    const isTooMany = () =>
      !isRemoval &&
      !isThere(name) &&
      [...values.values()].filter((value) => !value.isRemoval).length >= maxKeys;
    if (!append.take(text(args[at]), item, isTooMany)) continue;
    values.delete(name);
    values.set(name, { offset: append.offset, isRemoval, item });
    forget(data, valuesKey, append.meta, maxKeys, removalTtlMs, append.now);
  }
  if (append.accepted > 0) {
    data.publish(text(args[6]), append.payload());
    data.expire(valuesKey, Number(args[5]));
  }
  return append.end(Number(args[5]), key);
};

/** Entries that reach beyond `after`: until there is enough. */
function entriesAfter(entries: readonly ModelEntry[], after: number, limit: number, maxBytes: number) {
  const found: Uint8Array[] = [];
  let size = 0;
  for (const { last, payload } of entries) {
    if (last <= after) continue;
    found.push(payload);
    size += payload.length;
    if (size >= maxBytes || last >= after + limit) break;
  }
  return found;
}

function newestEntries(entries: readonly ModelEntry[], after: number, maxBytes: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  let size = 0;
  for (const { last, payload } of [...entries].reverse()) {
    if (last <= after) break;
    found.unshift(payload);
    size += payload.length;
    if (size >= maxBytes) break;
  }
  return found;
}

const standing = ({ epoch, offset, begins, previous }: ModelMeta): Reply[] => [
  ...[bytes(epoch), offset, begins, bytes(previous)],
];

const followStream: ModelScript = (data, keys, args, replid) => {
  const [key, stream] = keys as [string, string];
  const meta = open(data, keys, text(args[0]), replid);
  data.expire(key, Number(args[1]));
  const since = text(args[2]);
  const [offset, limit, maxBytes] = args.slice(3).map(Number) as [number, number, number];
  if (since === "") return [...standing(meta), []];
  const after = since === meta.epoch || since === meta.previous ? offset : meta.begins;
  const found = after < meta.offset ? entriesAfter(data.stream(stream), after, limit, maxBytes) : [];
  return [...standing(meta), found];
};

const followLatest: ModelScript = (data, keys, args, replid) => {
  const [key, valuesKey] = keys as [string, string];
  const meta = open(data, keys, text(args[0]), replid);
  const [offset, maxKeys, removalTtlMs, now] = args.slice(3).map(Number) as [number, number, number, number];
  forget(data, valuesKey, meta, maxKeys, removalTtlMs, now);
  for (const each of [key, valuesKey]) data.expire(each, Number(args[1]));
  const isWhole = text(args[2]) !== meta.epoch || offset < meta.forgotten || offset > meta.offset;
  const values = [...data.values(valuesKey).values()].filter((value) => isWhole || value.offset > offset);
  const found = values.flatMap((value) => [value.offset, value.item]);
  return [...standing(meta), meta.forgotten, isWhole ? 1 : 0, found];
};

const history: ModelScript = (data, keys, args, replid) => {
  const [key, stream] = keys as [string, string];
  if (!data.exists(key)) return [bytes(args[0]!), 0, []];
  const meta = open(data, keys, text(args[0]), replid);
  data.expire(key, Number(args[1]));
  const [limit, maxBytes, size, ttlMs, keptBytes, now] = args.slice(3).map(Number) as number[];
  const entries = data.stream(stream);
  trim(entries, meta.offset, { size: size!, ttlMs: ttlMs!, maxBytes: keptBytes! }, now!);
  const least = Math.max(0, meta.offset - size!);
  const { offset } = meta;
  if (text(args[2]) === "") {
    const from = Math.max(least, offset - limit!);
    return [bytes(meta.epoch), offset, newestEntries(entries, from, maxBytes!)];
  }
  const after = Math.max(least, Number(args[2]));
  const found = after < offset && limit! >= 1 ? entriesAfter(entries, after, limit!, maxBytes!) : [];
  return [bytes(meta.epoch), offset, found];
};

export const modelTopicScripts: Readonly<Record<keyof typeof topicScripts, ModelScript>> = {
  ...{ appendStream, appendLatest, followStream, followLatest, history },
};

// What travels through channels and is stored in streams: versioned MessagePack arrays. Knows no Redis, and trusts nobody who
// writes there: decoding never throws.

import { Buffer } from "node:buffer";
import type { Writable } from "../wire/message.ts";
import { pack } from "../wire/msgpack.ts";
import { MalformedMessagePack, MessagePackReader } from "../wire/msgpack-reader.ts";
import { PackedData } from "../wire/packed-data.ts";
import { packItem } from "../wire/packed-message.ts";
import type { PositionedPublication, Publication } from "./bridge.ts";

/**
 * Every envelope is an array [version, kind, instance, …]:
 *
 *     [1, 1, instance, epoch, first offset, [publication, …]]   appended; offsets count on from the first
 *     [1, 2, instance, [publication, …]]                         relayed
 *     [1, 3, instance, user id, reason or null]                  every node disconnects the user
 *     [1, 4, instance, number]                                   a probe, for nobody but its sender
 *     [1, 5, instance, version, changes]                         who came to a topic and who went (store-presence.ts)
 *
 * A publication is [timestamp, data, user id, event, key, removed], null where absent, nothing after its last. Another version
 * or kind is a newer node's, and passed over.
 */
const version = 1;
const kinds = { publications: 1, relay: 2, disconnect: 3, probe: 4, presence: 5 } as const;

export type Envelope =
  | {
      readonly kind: "publications";
      readonly instance: string;
      readonly epoch: string;
      /** The first one's offset; there is one at least. */
      readonly first: number;
      readonly publications: readonly PositionedPublication[];
    }
  | { readonly kind: "relay"; readonly instance: string; readonly publications: readonly Publication[] }
  | {
      readonly kind: "disconnect";
      readonly instance: string;
      readonly userId: string;
      readonly reason: string | undefined;
    }
  | { readonly kind: "probe"; readonly instance: string; readonly number: number }
  | {
      readonly kind: "presence";
      readonly instance: string;
      readonly version: number;
      /** Plain MessagePack, not looked at. */
      readonly changes: unknown;
    };

/** Epochs and instances are ours: what else stands there was not written by a node. */
const name = /^[\w-]{1,64}$/;

/** Whether a string may be an epoch, an instance or a shard's id: letters, digits, `_` and `-`, at most 64 of them. */
export function isName(text: string): boolean {
  return name.test(text);
}

export function packPublication(publication: Publication): Uint8Array {
  const { timestamp, data, userId, event, key, removed } = publication;
  if (data instanceof PackedData) return packItem(publication, data);
  if (removed) return pack([timestamp, data, userId, event, key, true]);
  if (key !== undefined) return pack([timestamp, data, userId, event, key]);
  if (event !== undefined) return pack([timestamp, data, userId, event]);
  return pack(userId === undefined ? [timestamp, data] : [timestamp, data, userId]);
}

/** What an envelope of appended publications begins with; Redis adds the epoch, the first offset and the packed array. */
export function publicationsHead(instance: string): Uint8Array {
  return Buffer.concat([Buffer.of(0x96, version, kinds.publications), pack(instance)]);
}

/** The array of publications packed one by one. */
export function packedArray(items: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat([arrayHead(items.length), ...items]);
}

function arrayHead(length: number): Buffer {
  if (length < 16) return Buffer.of(0x90 + length);
  return Buffer.of(0xdc, length >> 8, length & 0xff);
}

export function packRelay(instance: string, items: readonly Uint8Array[]): Uint8Array {
  const head = Buffer.of(0x94, version, kinds.relay);
  return Buffer.concat([head, pack(instance), arrayHead(items.length), ...items]);
}

export function packDisconnect(instance: string, userId: string, reason: string | undefined): Uint8Array {
  return pack([version, kinds.disconnect, instance, userId, reason]);
}

export function packProbe(instance: string, number: number): Uint8Array {
  return pack([version, kinds.probe, instance, number]);
}

/** What an envelope of presence begins with; Redis adds the version and the packed changes. */
export function presenceHead(instance: string): Uint8Array {
  return Buffer.concat([Buffer.of(0x95, version, kinds.presence), pack(instance)]);
}

/** Undefined where the bytes are not one plain value. */
export function unpackValue(bytes: Uint8Array): unknown {
  return readWhole(bytes, (reader) => reader.value());
}

/** One publication as packed by `packPublication`, or undefined. */
export function unpackPublication(bytes: Uint8Array, offset: number): PositionedPublication | undefined {
  return readWhole(bytes, (reader) => readPublication(reader, offset) as PositionedPublication);
}

/** Undefined for what is malformed, foreign, or of a version or kind that this one does not know. */
export function decodeEnvelope(bytes: Uint8Array): Envelope | undefined {
  return readWhole(bytes, readEnvelope);
}

function readWhole<Read>(bytes: Uint8Array, read: (reader: MessagePackReader) => Read): Read | undefined {
  const reader = new MessagePackReader(bytes);
  try {
    const value = read(reader);
    return reader.left === 0 ? value : undefined;
  } catch (fault) {
    if (fault instanceof MalformedMessagePack) return undefined;
    throw fault;
  }
}

function readEnvelope(reader: MessagePackReader): Envelope {
  const length = reader.arrayLength();
  if (length < 4 || reader.count() !== version) throw new MalformedMessagePack("another version");
  const kind = reader.count();
  const instance = readName(reader);
  if (kind === kinds.publications && length === 6) return readPublications(reader, instance);
  if (kind === kinds.relay && length === 4) {
    return { kind: "relay", instance, publications: readItems(reader, undefined) };
  }
  if (kind === kinds.disconnect && length === 5) {
    return { kind: "disconnect", instance, userId: reader.text(), reason: readOptionalText(reader) };
  }
  if (kind === kinds.probe && length === 4) return { kind: "probe", instance, number: reader.count() };
  if (kind === kinds.presence && length === 5) {
    return { kind: "presence", instance, version: reader.count(), changes: reader.value() };
  }
  throw new MalformedMessagePack("another kind");
}

function readPublications(reader: MessagePackReader, instance: string): Envelope {
  const epoch = readName(reader);
  const first = reader.count();
  const publications = readItems(reader, first) as PositionedPublication[];
  if (first < 1 || publications.length < 1 || !Number.isSafeInteger(first + publications.length)) {
    throw new MalformedMessagePack("no offsets");
  }
  return { kind: "publications", instance, epoch, first, publications };
}

function readItems(reader: MessagePackReader, first: number | undefined): Publication[] {
  const length = reader.arrayLength();
  const items: Publication[] = [];
  for (let index = 0; index < length; index++) {
    items.push(readPublication(reader, first === undefined ? undefined : first + index));
  }
  return items;
}

/** Field by field, and none that is undefined: this runs for every publication on every node. */
function readPublication(reader: MessagePackReader, offset: number | undefined): Publication {
  const length = reader.arrayLength();
  if (length < 2 || length > 6) throw new MalformedMessagePack("no publication");
  const timestamp = reader.value();
  if (typeof timestamp !== "number") throw new MalformedMessagePack("no timestamp");
  const publication: Writable<Partial<PositionedPublication> & Publication> = {
    data: reader.value(),
    timestamp,
  };
  const userId = length > 2 ? readOptionalText(reader) : undefined;
  const event = length > 3 ? readOptionalText(reader) : undefined;
  const key = length > 4 ? readOptionalText(reader) : undefined;
  if (event !== undefined) publication.event = event;
  if (key !== undefined) publication.key = key;
  if (length > 5) {
    if (reader.value() !== true) throw new MalformedMessagePack("no removal");
    publication.removed = true;
  }
  if (userId !== undefined) publication.userId = userId;
  if (offset !== undefined) publication.offset = offset;
  return publication;
}

function readOptionalText(reader: MessagePackReader): string | undefined {
  const value = reader.value();
  if (value === null) return undefined;
  if (typeof value === "string") return value;
  throw new MalformedMessagePack("no text where one belongs");
}

function readName(reader: MessagePackReader): string {
  const text = reader.text();
  if (isName(text)) return text;
  throw new MalformedMessagePack("no name of ours");
}

// Writes publications whose data is packed already: as `message` frames, and as the arrays that nodes tell each other. Knows
// nothing of data. Pieces are strings with one byte per character, because joining strings and making bytes of the whole is little
// code, and a publication that leaves alone finds none of it in a cache.

import { Buffer } from "node:buffer";
import type { Publication } from "../bridge/bridge.ts";
import type { MessageFrame } from "./frames.ts";
import type { PackedData } from "./packed-data.ts";

const double = new DataView(new ArrayBuffer(8));

export function packMessage(frame: MessageFrame, data: PackedData): Uint8Array {
  const { topic, timestamp, event, key, removed, userId, offset } = frame;
  let size = 4;
  let rest = "";
  if (event !== undefined) {
    rest += `\xa5event${text(event)}`;
    size += 1;
  }
  if (key !== undefined) {
    rest += `\xa3key${text(key)}`;
    size += 1;
  }
  if (removed) {
    rest += "\xa7removed\xc3";
    size += 1;
  }
  if (userId !== undefined) {
    rest += `\xa6userId${text(userId)}`;
    size += 1;
  }
  if (offset !== undefined) {
    rest += `\xa6offset${number(offset)}`;
    size += 1;
  }
  const head = `${String.fromCharCode(0x80 + size)}\xa4type\xa7message\xa5topic${text(topic)}\xa4data`;
  return Buffer.from(`${head}${data.latin1}\xa9timestamp${number(timestamp)}${rest}`, "latin1");
}

/** As `packPublication` of bridge/envelope.ts packs a publication whose data is decoded. */
export function packItem(publication: Publication, data: PackedData): Uint8Array {
  const { timestamp, userId, event, key, removed } = publication;
  let size = 2;
  if (removed) size = 6;
  else if (key !== undefined) size = 5;
  else if (event !== undefined) size = 4;
  else if (userId !== undefined) size = 3;
  let rest = "";
  if (size > 2) rest += optional(userId);
  if (size > 3) rest += optional(event);
  if (size > 4) rest += optional(key);
  if (removed) rest += "\xc3";
  const head = String.fromCharCode(0x90 + size);
  return Buffer.from(`${head}${number(timestamp)}${data.latin1}${rest}`, "latin1");
}

function optional(value: string | undefined): string {
  return value === undefined ? "\xc0" : text(value);
}

function text(value: string): string {
  const bytes = isAscii(value) ? value : Buffer.from(value).toString("latin1");
  const { length } = bytes;
  if (length <= 0x1f) return String.fromCharCode(0xa0 + length) + bytes;
  if (length <= 0xff) return `\xd9${String.fromCharCode(length)}${bytes}`;
  if (length <= 0xffff) return `\xda${String.fromCharCode(length >> 8, length & 0xff)}${bytes}`;
  return `\xdb${String.fromCharCode(...fourBytes(length))}${bytes}`;
}

function isAscii(value: string): boolean {
  for (let place = 0; place < value.length; place++) if (value.charCodeAt(place) >= 0x80) return false;
  return true;
}

function number(value: number): string {
  if (value >= 0 && value <= 0x7f && Number.isInteger(value)) return String.fromCharCode(value);
  if (value >>> 0 !== value) return real(value);
  if (value <= 0xff) return `\xcc${String.fromCharCode(value)}`;
  if (value <= 0xffff) return `\xcd${String.fromCharCode(value >> 8, value & 0xff)}`;
  return `\xce${String.fromCharCode(...fourBytes(value))}`;
}

function fourBytes(value: number): readonly [number, number, number, number] {
  return [value >>> 24, (value >> 16) & 0xff, (value >> 8) & 0xff, value & 0xff];
}

function real(value: number): string {
  double.setFloat64(0, value);
  const byte = (at: number) => double.getUint8(at);
  return `\xcb${String.fromCharCode(byte(0), byte(1), byte(2), byte(3), byte(4), byte(5), byte(6), byte(7))}`;
}

// Reads plain MessagePack that nobody checked before, or that was left packed: one pass that checks and decodes. Unlike msgpackr
// it trusts no length, runs no extension and keeps the key `__proto__`. From the specification's table of formats (msgpack.org).

import { Buffer } from "node:buffer";

/** Deeper than any data that is admitted, and shallow enough for recursion. */
const maxDepth = 256;
/** Up to here, putting a string together byte by byte is faster than a call into the engine. */
const shortText = 24;

export class MalformedMessagePack extends Error {}

export class MessagePackReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.isBuffer(bytes)
      ? bytes
      : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.#bytes.length - this.#position;
  }

  /** Any value; binary ones are copies. */
  value(depth = 0): unknown {
    const lead = this.#unsigned(1);
    if (lead <= 0x7f) return lead;
    if (lead <= 0x8f) return this.#map(lead & 0x0f, depth);
    if (lead <= 0x9f) return this.#array(lead & 0x0f, depth);
    if (lead <= 0xbf) return this.#text(lead & 0x1f);
    if (lead >= 0xe0) return lead - 0x100;
    return this.#longer(lead, depth);
  }

  /** The length of an array that begins here, so that a caller can read its items itself. */
  arrayLength(): number {
    const lead = this.#unsigned(1);
    if (lead >= 0x90 && lead <= 0x9f) return this.#expect(lead & 0x0f);
    if (lead === 0xdc) return this.#expect(this.#unsigned(2));
    if (lead === 0xdd) return this.#expect(this.#unsigned(4));
    throw new MalformedMessagePack("no array where one belongs");
  }

  /** A whole number from 0 that every double can tell from its neighbours. */
  count(): number {
    const value = this.value(maxDepth);
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw new MalformedMessagePack("no count where one belongs");
  }

  text(): string {
    const value = this.value(maxDepth);
    if (typeof value === "string") return value;
    throw new MalformedMessagePack("no text where one belongs");
  }

  /** What a lead byte from 0xc0 to 0xdf announces. */
  #longer(lead: number, depth: number): unknown {
    switch (lead) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.#binary(this.#unsigned(1));
      case 0xc5:
        return this.#binary(this.#unsigned(2));
      case 0xc6:
        return this.#binary(this.#unsigned(4));
      case 0xd9:
        return this.#text(this.#unsigned(1));
      case 0xda:
        return this.#text(this.#unsigned(2));
      case 0xdb:
        return this.#text(this.#unsigned(4));
      case 0xdc:
        return this.#array(this.#unsigned(2), depth);
      case 0xdd:
        return this.#array(this.#unsigned(4), depth);
      case 0xde:
        return this.#map(this.#unsigned(2), depth);
      case 0xdf:
        return this.#map(this.#unsigned(4), depth);
      default:
        return this.#number(lead);
    }
  }

  #number(lead: number): number {
    switch (lead) {
      case 0xca:
        return finite(this.#bytes.readFloatBE(this.#skip(4)));
      case 0xcb:
        return finite(this.#bytes.readDoubleBE(this.#skip(8)));
      case 0xcc:
        return this.#unsigned(1);
      case 0xcd:
        return this.#unsigned(2);
      case 0xce:
        return this.#unsigned(4);
      case 0xcf:
        return Number(this.#bytes.readBigUInt64BE(this.#skip(8)));
      case 0xd0:
        return this.#bytes.readInt8(this.#skip(1));
      case 0xd1:
        return this.#bytes.readInt16BE(this.#skip(2));
      case 0xd2:
        return this.#bytes.readInt32BE(this.#skip(4));
      case 0xd3:
        return Number(this.#bytes.readBigInt64BE(this.#skip(8)));
      default:
        throw new MalformedMessagePack("an extension type");
    }
  }

  #array(length: number, depth: number): unknown[] {
    this.#expect(length);
    if (depth >= maxDepth) throw new MalformedMessagePack("nested too deeply");
    const items: unknown[] = [];
    for (let item = 0; item < length; item++) items.push(this.value(depth + 1));
    return items;
  }

  #map(size: number, depth: number): Record<string, unknown> {
    this.#expect(2 * size);
    if (depth >= maxDepth) throw new MalformedMessagePack("nested too deeply");
    const map: Record<string, unknown> = {};
    for (let entry = 0; entry < size; entry++) {
      const key = this.#key();
      const value = this.value(depth + 1);
      if (key !== "__proto__") map[key] = value;
      // Assignment would take this one for the object's prototype.
      else Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
    }
    return map;
  }

  #key(): string {
    const lead = this.#bytes[this.#position];
    if (lead !== undefined && lead >= 0xa0 && lead <= 0xbf) {
      this.#position += 1;
      return this.#text(lead & 0x1f);
    }
    return this.text();
  }

  #text(length: number): string {
    const from = this.#skip(length);
    if (length > shortText) return this.#bytes.toString("utf8", from, from + length);
    let text = "";
    for (let at = from; at < from + length; at++) {
      const byte = this.#bytes[at]!;
      if (byte >= 0x80) return this.#bytes.toString("utf8", from, from + length);
      text += String.fromCharCode(byte);
    }
    return text;
  }

  /** A copy: the message it came in may be a small part of a large buffer, and this part may be kept for long. */
  #binary(length: number): Uint8Array {
    const from = this.#skip(length);
    return Uint8Array.prototype.slice.call(this.#bytes, from, from + length);
  }

  /** Every nested value takes a byte at least: a count above what is left is a lie, and not worth a loop. */
  #expect(size: number): number {
    if (this.left < size) throw new MalformedMessagePack("it ends early");
    return size;
  }

  /** Passes over `size` bytes and answers where they begin. */
  #skip(size: number): number {
    const from = this.#position;
    if (from + size > this.#bytes.length) throw new MalformedMessagePack("it ends early");
    this.#position = from + size;
    return from;
  }

  #unsigned(size: 1 | 2 | 4): number {
    const from = this.#skip(size);
    if (size === 1) return this.#bytes[from]!;
    return size === 2 ? this.#bytes.readUInt16BE(from) : this.#bytes.readUInt32BE(from);
  }
}

function finite(value: number): number {
  if (Number.isFinite(value)) return value;
  throw new MalformedMessagePack("a number is not finite");
}

// Reads the frame that a server is sent most, a publish in MessagePack: one pass that checks it and leaves its `data` packed.
// Whatever is out of the ordinary is for the general decoder (msgpack.ts), and so is every refusal. Knows no namespace's rules.

import { Buffer } from "node:buffer";
import {
  type CarriedPublish,
  emptyPublish,
  type FieldReader,
  type PublishField,
  publishFields,
  readField,
} from "./carried-publish.ts";
import type { DataFacts } from "./data-facts.ts";
import { PackedData } from "./packed-data.ts";
import { isWellFormed } from "./utf8.ts";

/** A map's keys are compared with each other: so many at most. */
const maxKeys = 32;
const maxDepth = 64;
const protoKey = "__proto__";
const nothing: Buffer = Buffer.alloc(0);
/** Where the keys of the maps around the present place begin, and how long they are: twice as many numbers as keys. */
const keys = new Uint32Array(2 * maxKeys * maxDepth);

/**
 * Undefined for whatever is no publish, or is one that has to be decoded to be the same for every subscriber: with a key that is
 * there twice, an integer of 64 bits, text that is no UTF-8, the key `__proto__`. Also for what is malformed, and for more than
 * `maxValues` values.
 */
export function readPackedPublish(bytes: Buffer, maxValues: number): CarriedPublish<PackedData> | undefined {
  return reader.read(bytes, maxValues);
}

/** Its methods answer whether all is well so far; nothing is read after the first that says no. Allocates nothing per value. */
class PublishReader implements FieldReader<PackedData> {
  #bytes = nothing;
  #maxValues = 0;
  #at = 0;
  /** A bit for each of `publishFields` that has been read. */
  #seen = 0;
  #values = 0;
  #depth = 0;
  #hasBinary = false;
  /** How much of `keys` is in use. */
  #keysEnd = 0;

  read(bytes: Buffer, maxValues: number): CarriedPublish<PackedData> | undefined {
    this.#bytes = bytes;
    // A frame has others beside its data.
    this.#maxValues = maxValues - publishFields.length - 1;
    this.#at = 0;
    this.#seen = 0;
    this.#values = 0;
    this.#depth = 0;
    this.#hasBinary = false;
    this.#keysEnd = 0;
    const publish = this.#frame();
    this.#bytes = nothing;
    return publish;
  }

  #frame(): CarriedPublish<PackedData> | undefined {
    const lead = this.#byte();
    const size = lead === 0xde ? this.#unsigned(2) : lead - 0x80;
    if (!(size > 0 && size <= publishFields.length)) return undefined;
    const publish = emptyPublish<PackedData>();
    for (let field = 0; field < size; field++) if (!readField(this, publish)) return undefined;
    const isPublish = (this.#seen & 1) === 1;
    return isPublish && this.#at === this.#bytes.length ? publish : undefined;
  }

  passType(): boolean {
    return this.#isText("publish");
  }

  /** The name of the field that begins here; undefined where it is none of those known, or one that was there before. */
  readName(): PublishField | undefined {
    for (let place = 0; place < publishFields.length; place++) {
      const name = publishFields[place]!;
      if (!this.#isText(name)) continue;
      if (this.#seen & (1 << place)) return undefined;
      this.#seen |= 1 << place;
      return name;
    }
    return undefined;
  }

  /** Passes over a text of this kind, if it is here. */
  #isText(text: string): boolean {
    const { length } = text;
    if (this.#bytes[this.#at] !== 0xa0 + length) return false;
    const from = this.#at + 1;
    for (let place = 0; place < length; place++) {
      if (this.#bytes[from + place] !== text.charCodeAt(place)) return false;
    }
    this.#at = from + length;
    return true;
  }

  readText(): string | undefined {
    const length = this.#textLength();
    const from = this.#at;
    return this.#passText(length) ? this.#bytes.toString("utf8", from, this.#at) : undefined;
  }

  readId(): number | undefined {
    const lead = this.#byte();
    if (lead <= 0x7f) return lead;
    const size = lead === 0xcc ? 1 : lead === 0xcd ? 2 : lead === 0xce ? 4 : 0;
    const id = this.#unsigned(size);
    return size > 0 && id >= 0 ? id : undefined;
  }

  readFlag(): boolean | undefined {
    const lead = this.#byte();
    if (lead === 0xc2) return false;
    return lead === 0xc3 ? true : undefined;
  }

  readData(): PackedData | undefined {
    const from = this.#at;
    if (!this.#value(0)) return undefined;
    const facts: DataFacts = { values: this.#values, depth: this.#depth, hasBinary: this.#hasBinary };
    return new PackedData(this.#bytes.toString("latin1", from, this.#at), facts);
  }

  /** Passes over any value. `depth`: of what it is in. */
  #value(depth: number): boolean {
    this.#values += 1;
    if (this.#values > this.#maxValues) return false;
    const lead = this.#byte();
    if (lead <= 0x7f || lead >= 0xe0) return true;
    if (lead <= 0x8f) return this.#map(lead & 0x0f, depth + 1);
    if (lead <= 0x9f) return this.#array(lead & 0x0f, depth + 1);
    if (lead <= 0xbf) return this.#passText(lead & 0x1f);
    return this.#longer(lead, depth + 1);
  }

  /** What a lead byte from 0xc0 to 0xdf announces; none at all is NaN. */
  #longer(lead: number, depth: number): boolean {
    switch (lead) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#binary(this.#unsigned(1 << (lead - 0xc4)), depth);
      case 0xca:
      case 0xcb:
        return this.#finite(lead === 0xca ? 4 : 8);
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#pass(1 << (lead - 0xcc));
      case 0xd0:
      case 0xd1:
      case 0xd2:
        return this.#pass(1 << (lead - 0xd0));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#passText(this.#unsigned(1 << (lead - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(2 << (lead - 0xdc)), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(2 << (lead - 0xde)), depth);
      default:
        return false;
    }
  }

  #array(length: number, depth: number): boolean {
    if (!this.#enter(depth) || !(length >= 0)) return false;
    for (let item = 0; item < length; item++) if (!this.#value(depth)) return false;
    return true;
  }

  #map(size: number, depth: number): boolean {
    if (!this.#enter(depth) || !(size <= maxKeys)) return false;
    const own = this.#keysEnd;
    for (let entry = 0; entry < size; entry++) {
      if (!this.#key(own) || !this.#value(depth)) return false;
    }
    this.#keysEnd = own;
    return true;
  }

  /** Passes over a map's key. `own`: where in `keys` those of the same map begin. */
  #key(own: number): boolean {
    const length = this.#textLength();
    const from = this.#at;
    if (!this.#passText(length)) return false;
    if (length === protoKey.length && this.#bytes.toString("latin1", from, this.#at) === protoKey)
      return false;
    for (let other = own; other < this.#keysEnd; other += 2) {
      if (keys[other + 1] === length && this.#isSame(keys[other]!, from, length)) return false;
    }
    keys[this.#keysEnd] = from;
    keys[this.#keysEnd + 1] = length;
    this.#keysEnd += 2;
    return true;
  }

  #isSame(one: number, other: number, length: number): boolean {
    for (let place = 0; place < length; place++) {
      if (this.#bytes[one + place] !== this.#bytes[other + place]) return false;
    }
    return true;
  }

  #binary(length: number, depth: number): boolean {
    this.#hasBinary = true;
    return this.#enter(depth) && this.#pass(length);
  }

  #enter(depth: number): boolean {
    if (depth > this.#depth) this.#depth = depth;
    return depth < maxDepth;
  }

  /** Exponents of nothing but ones are infinity and what is no number. */
  #finite(size: 4 | 8): boolean {
    const first = this.#bytes[this.#at]! & 0x7f;
    const second = this.#bytes[this.#at + 1]!;
    if (first === 0x7f && second >= (size === 4 ? 0x80 : 0xf0)) return false;
    return this.#pass(size);
  }

  /** The length of a text that begins here; NaN where none does. */
  #textLength(): number {
    const lead = this.#byte();
    if (lead >= 0xa0 && lead <= 0xbf) return lead & 0x1f;
    return lead >= 0xd9 && lead <= 0xdb ? this.#unsigned(1 << (lead - 0xd9)) : Number.NaN;
  }

  #passText(length: number): boolean {
    const from = this.#at;
    if (!this.#pass(length)) return false;
    for (let at = from; at < this.#at; at++) {
      if (this.#bytes[at]! >= 0x80) return isWellFormed(this.#bytes, at, this.#at);
    }
    return true;
  }

  /** NaN is no length, nor is one beyond the end. */
  #pass(length: number): boolean {
    this.#at += length;
    return this.#at <= this.#bytes.length;
  }

  /** NaN at the end. */
  #byte(): number {
    return this.#bytes[this.#at++] ?? Number.NaN;
  }

  /** NaN beyond the end. */
  #unsigned(size: number): number {
    let value = 0;
    for (let byte = 0; byte < size; byte++) value = value * 256 + this.#byte();
    return value;
  }
}

/** One for all frames: see recent.ts for what it costs where nothing keeps an object of a kind. */
const reader = new PublishReader();

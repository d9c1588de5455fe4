// Whether bytes are exactly one plain MessagePack value: whole, without extensions, string keys only, of bounded depth and
// number of values. Written from the MessagePack specification's table of formats (msgpack.org); knows no frames.

/** Deeper than any frame that the data check would let through, and shallow enough for every recursive decoder. */
const maxDepth = 256;

/** What the check found: either `fault`, the end of a sentence, or a plain value. */
export interface Plainness {
  readonly fault?: string;
  /** Whether a map in it has the key `__proto__`, which decoders into objects take for something else or rename. */
  readonly hasProtoKey: boolean;
}

const plain: Plainness = { hasProtoKey: false };
const plainButProtoKey: Plainness = { hasProtoKey: true };
const protoKey = new TextEncoder().encode("__proto__");

class Malformed extends Error {}

/** Reads over one value after the other. Allocates nothing per value: a frame of 64 KiB can have as many values as bytes. */
class Checker {
  readonly #bytes: Uint8Array;
  readonly #maxValues: number;
  #values = 0;
  #position = 0;
  hasProtoKey = false;

  constructor(bytes: Uint8Array, maxValues: number) {
    this.#bytes = bytes;
    this.#maxValues = maxValues;
  }

  get left(): number {
    return this.#bytes.length - this.#position;
  }

  value(depth: number): void {
    if (depth > maxDepth) throw new Malformed("it is nested too deeply");
    this.#values += 1;
    if (this.#values > this.#maxValues) throw new Malformed(`it has more than ${this.#maxValues} values`);
    const lead = this.#unsigned(1);
    if (lead <= 0x7f || lead >= 0xe0) return;
    if (lead <= 0x8f) this.#map(lead & 0x0f, depth);
    else if (lead <= 0x9f) this.#array(lead & 0x0f, depth);
    else if (lead <= 0xbf) this.#skip(lead & 0x1f);
    else this.#longer(lead, depth);
  }

  /** What a lead byte from 0xc0 to 0xdf announces. */
  #longer(lead: number, depth: number): void {
    switch (lead) {
      case 0xc0:
      case 0xc2:
      case 0xc3:
        break;
      case 0xc4:
      case 0xd9:
        this.#skip(this.#unsigned(1));
        break;
      case 0xc5:
      case 0xda:
        this.#skip(this.#unsigned(2));
        break;
      case 0xc6:
      case 0xdb:
        this.#skip(this.#unsigned(4));
        break;
      case 0xca:
        this.#finite(4);
        break;
      case 0xcb:
        this.#finite(8);
        break;
      case 0xcc:
      case 0xd0:
        this.#skip(1);
        break;
      case 0xcd:
      case 0xd1:
        this.#skip(2);
        break;
      case 0xce:
      case 0xd2:
        this.#skip(4);
        break;
      case 0xcf:
      case 0xd3:
        this.#skip(8);
        break;
      case 0xdc:
        this.#array(this.#unsigned(2), depth);
        break;
      case 0xdd:
        this.#array(this.#unsigned(4), depth);
        break;
      case 0xde:
        this.#map(this.#unsigned(2), depth);
        break;
      case 0xdf:
        this.#map(this.#unsigned(4), depth);
        break;
      default:
        throw new Malformed("extension types are not part of the protocol");
    }
  }

  #array(length: number, depth: number): void {
    this.#expect(length);
    for (let item = 0; item < length; item++) this.value(depth + 1);
  }

  #map(size: number, depth: number): void {
    this.#expect(2 * size);
    for (let entry = 0; entry < size; entry++) {
      this.#key();
      this.value(depth + 1);
    }
  }

  #key(): void {
    const size = this.#keySize();
    const at = this.#position;
    this.#skip(size);
    if (size !== protoKey.length) return;
    if (protoKey.every((byte, place) => byte === this.#bytes[at + place])) this.hasProtoKey = true;
  }

  #keySize(): number {
    const lead = this.#unsigned(1);
    if (lead >= 0xa0 && lead <= 0xbf) return lead & 0x1f;
    if (lead === 0xd9) return this.#unsigned(1);
    if (lead === 0xda) return this.#unsigned(2);
    if (lead === 0xdb) return this.#unsigned(4);
    throw new Malformed("a map's key is not a string");
  }

  /** Every nested value takes a byte at least: a count above what is left is a lie, and not worth a loop. */
  #expect(size: number): void {
    if (this.left < size) throw new Malformed("it ends early");
  }

  #skip(size: number): void {
    this.#expect(size);
    this.#position += size;
  }

  #unsigned(size: 1 | 2 | 4): number {
    const at = this.#position;
    this.#skip(size);
    if (size === 1) return this.#bytes[at]!;
    let value = 0;
    for (let byte = at; byte < at + size; byte++) value = value * 256 + this.#bytes[byte]!;
    return value;
  }

  #finite(size: 4 | 8): void {
    const at = this.#position;
    this.#skip(size);
    const { buffer, byteOffset } = this.#bytes;
    const view = new DataView(buffer, byteOffset + at, size);
    const value = size === 4 ? view.getFloat32(0) : view.getFloat64(0);
    if (!Number.isFinite(value)) throw new Malformed("a number is not finite");
  }
}

/**
 * Whether `bytes` are one plain value, and what is wrong with them where they are not. Linear in their number.
 * `maxValues` bounds the values, those that hold others included, keys not.
 */
export function checkPlain(bytes: Uint8Array, maxValues = Number.POSITIVE_INFINITY): Plainness {
  const checker = new Checker(bytes, maxValues);
  try {
    checker.value(0);
    if (checker.left > 0) throw new Malformed("something follows the value");
    return checker.hasProtoKey ? plainButProtoKey : plain;
  } catch (fault) {
    if (fault instanceof Malformed) return { fault: fault.message, hasProtoKey: false };
    throw fault;
  }
}

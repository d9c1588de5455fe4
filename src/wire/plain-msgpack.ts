// Whether bytes are exactly one plain MessagePack value: whole, without extensions, string keys only, of bounded depth.
// Written from the MessagePack specification's table of formats (msgpack.org); knows no frames.

/** Deeper than any frame that the data check would let through, and shallow enough for every recursive decoder. */
const maxDepth = 256;

/** Sizes: what follows a lead byte. `children` values are nested values, twice as many in a map. */
interface Shape {
  readonly bytes: number;
  readonly children: number;
  readonly map: boolean;
}

const scalar = (bytes: number): Shape => ({ bytes, children: 0, map: false });

class Malformed extends Error {}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.position;
  }

  unsigned(size: 1 | 2 | 4): number {
    if (this.left < size) throw new Malformed("it ends early");
    const at = this.position;
    this.position += size;
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  skip(size: number): void {
    if (this.left < size) throw new Malformed("it ends early");
    this.position += size;
  }

  finite(size: 4 | 8): void {
    if (this.left < size) throw new Malformed("it ends early");
    const value = size === 4 ? this.#view.getFloat32(this.position) : this.#view.getFloat64(this.position);
    if (!Number.isFinite(value)) throw new Malformed("a number is not finite");
    this.position += size;
  }
}

function isString(lead: number): boolean {
  return (lead >= 0xa0 && lead <= 0xbf) || (lead >= 0xd9 && lead <= 0xdb);
}

function shapeOf(lead: number, reader: Reader): Shape {
  if (lead <= 0x7f || lead >= 0xe0) return scalar(0);
  if (lead <= 0x8f) return { bytes: 0, children: 2 * (lead & 0x0f), map: true };
  if (lead <= 0x9f) return { bytes: 0, children: lead & 0x0f, map: false };
  if (lead <= 0xbf) return scalar(lead & 0x1f);
  switch (lead) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return scalar(0);
    case 0xc4:
    case 0xd9:
      return scalar(reader.unsigned(1));
    case 0xc5:
    case 0xda:
      return scalar(reader.unsigned(2));
    case 0xc6:
    case 0xdb:
      return scalar(reader.unsigned(4));
    case 0xca:
      reader.finite(4);
      return scalar(0);
    case 0xcb:
      reader.finite(8);
      return scalar(0);
    case 0xcc:
    case 0xd0:
      return scalar(1);
    case 0xcd:
    case 0xd1:
      return scalar(2);
    case 0xce:
    case 0xd2:
      return scalar(4);
    case 0xcf:
    case 0xd3:
      return scalar(8);
    case 0xdc:
      return { bytes: 0, children: reader.unsigned(2), map: false };
    case 0xdd:
      return { bytes: 0, children: reader.unsigned(4), map: false };
    case 0xde:
      return { bytes: 0, children: 2 * reader.unsigned(2), map: true };
    case 0xdf:
      return { bytes: 0, children: 2 * reader.unsigned(4), map: true };
    default:
      throw new Malformed("extension types are not part of the protocol");
  }
}

function checkValue(reader: Reader, depth: number): void {
  if (depth > maxDepth) throw new Malformed("it is nested too deeply");
  const shape = shapeOf(reader.unsigned(1), reader);
  reader.skip(shape.bytes);
  // Every nested value takes a byte at least: a count above what is left is a lie, and not worth a loop.
  if (shape.children > reader.left) throw new Malformed("it ends early");
  for (let child = 0; child < shape.children; child++) {
    if (shape.map && child % 2 === 0) checkKey(reader);
    else checkValue(reader, depth + 1);
  }
}

function checkKey(reader: Reader): void {
  const lead = reader.unsigned(1);
  if (!isString(lead)) throw new Malformed("a map's key is not a string");
  reader.skip(shapeOf(lead, reader).bytes);
}

/** Undefined when `bytes` are one plain value, else what is wrong with them as the end of a sentence. Linear in their number. */
export function checkPlain(bytes: Uint8Array): string | undefined {
  const reader = new Reader(bytes);
  try {
    checkValue(reader, 0);
    return reader.left === 0 ? undefined : "something follows the value";
  } catch (fault) {
    if (fault instanceof Malformed) return fault.message;
    throw fault;
  }
}

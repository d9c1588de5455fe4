// The publications of the benchmarks: `data` of a chosen size whose sequence number is found and changed without parsing.

import type { ServerFrame } from "../../src/wire/frames.ts";
import { json } from "../../src/wire/json.ts";
import { msgpack } from "../../src/wire/msgpack.ts";
import { maskedFrame, opcode } from "./frames.ts";

export type Format = "json" | "msgpack";

const wires = { json, msgpack };

export const subprotocolOf = (format: Format): string => wires[format].subprotocol;

/** Sequence numbers begin here, so that each takes the same bytes: nine digits in JSON, a uint32 in MessagePack. */
export const firstSequence = 100_000_000;

const textMarker = Buffer.from('"seq":');
const binaryMarker = Buffer.from([0xa3, 0x73, 0x65, 0x71, 0xce]);
const digits = 9;

function encodeFrame(format: Format, frame: object): Buffer {
  const payload = wires[format].encode(frame as ServerFrame);
  return typeof payload === "string" ? Buffer.from(payload) : Buffer.from(payload);
}

/** A client frame of the protocol, ready for the socket. */
export function clientFrame(format: Format, frame: object): Buffer {
  return maskedFrame(format === "json" ? opcode.text : opcode.binary, encodeFrame(format, frame));
}

export function decodeFrame(code: number, payload: Buffer): Record<string, unknown> {
  const frame =
    code === opcode.text ? json.decode(payload.toString()) : msgpack.decode(new Uint8Array(payload));
  return frame as Record<string, unknown>;
}

/** Reads and writes the sequence number of one kind of frame. It remembers where the last one was. */
export class SequencePlace {
  readonly #format: Format;
  readonly #marker: Buffer;
  readonly #markerWord: number;
  #offset = -1;

  constructor(format: Format) {
    this.#format = format;
    this.#marker = format === "json" ? textMarker : binaryMarker;
    this.#markerWord = this.#marker.readUInt32LE(0);
  }

  /** The sequence number of the payload at `start`, counted from 0, or -1 when it has none. */
  read(buffer: Buffer, start: number, end: number): number {
    const at = this.#find(buffer, start, end);
    if (at === -1) return -1;
    if (this.#format === "msgpack") return buffer.readUInt32BE(at) - firstSequence;
    let value = 0;
    for (let i = 0; i < digits; i++) value = value * 10 + (buffer[at + i] as number) - 48;
    return value - firstSequence;
  }

  write(buffer: Buffer, start: number, end: number, sequence: number): void {
    const at = this.#find(buffer, start, end);
    if (at === -1) throw new Error("the frame has no sequence number");
    if (this.#format === "msgpack") buffer.writeUInt32BE(firstSequence + sequence, at);
    else buffer.write(String(firstSequence + sequence), at, "latin1");
  }

  #find(buffer: Buffer, start: number, end: number): number {
    const length = this.#marker.length;
    const guess = start + this.#offset;
    if (this.#offset !== -1 && guess + 4 <= end && buffer.readUInt32LE(guess) === this.#markerWord) {
      return guess + length;
    }
    const found = buffer.subarray(start, end).indexOf(this.#marker);
    if (found === -1) return -1;
    this.#offset = found;
    return start + found + length;
  }
}

/** Frames of publications by their numbers. The same buffer is reused for each. */
export interface Frames {
  at(sequence: number): Buffer;
}

/** `publish` frames of one topic, without an `id`: fire and forget. */
export class PublishFrames implements Frames {
  readonly #frame: Buffer;
  readonly #place: SequencePlace;

  /** `key`: of a `latest` topic. */
  constructor(format: Format, topic: string, textBytes: number, key?: string) {
    const data = { seq: firstSequence, text: "x".repeat(textBytes) };
    this.#frame = clientFrame(format, {
      type: "publish",
      topic,
      ...(key !== undefined && { key }),
      data,
    });
    this.#place = new SequencePlace(format);
  }

  at(sequence: number): Buffer {
    this.#place.write(this.#frame, 0, this.#frame.length, sequence);
    return this.#frame;
  }
}

/** The same with an idempotency key, which is another one each time: a prefix and the number. */
export class IdempotentFrames implements Frames {
  readonly #frame: Buffer;
  readonly #place: SequencePlace;
  readonly #keyAt: number;

  constructor(format: Format, topic: string, textBytes: number, prefix: string) {
    const idempotencyKey = `${prefix}${firstSequence}`;
    const data = { seq: firstSequence, text: "x".repeat(textBytes) };
    this.#frame = clientFrame(format, { type: "publish", topic, idempotencyKey, data });
    this.#place = new SequencePlace(format);
    this.#keyAt = this.#frame.indexOf(idempotencyKey) + prefix.length;
  }

  at(sequence: number): Buffer {
    this.#place.write(this.#frame, 0, this.#frame.length, sequence);
    this.#frame.write(String(firstSequence + sequence), this.#keyAt, "latin1");
    return this.#frame;
  }
}

// What a wire format is, and a frame encoded at most once per format; knows no concrete format and no socket.

import { Buffer } from "node:buffer";
import type { Payload } from "../engine/engine.ts";
import type { ServerFrame } from "./frames.ts";

/** Numbers by a format's `index`. */
export type ByFormat = [json: number, msgpack: number, sse: number];

/** One way to write frames. Formats are stateless and shared by all connections. */
export interface FrameFormat {
  readonly name: "json" | "msgpack" | "sse";
  /** The format's place in per-format arrays, 0 to 2. */
  readonly index: number;
  /** Whether the format carries binary values. */
  readonly binary: boolean;
  /** A frame, or another object of the JSON data model. */
  encode(frame: object): Payload;
  /** Of a format that is JSON with something around it: what `encode` makes of the frame of that JSON. */
  around?(json: string): Payload;
}

/** One encoding of protocol 1 over WebSockets, which are read in it too. */
export interface WireFormat extends FrameFormat {
  /** What a client offers in `Sec-WebSocket-Protocol`. */
  readonly subprotocol: string;
  /** One message as a plain value of the JSON data model, or a FanwireError `bad-frame`. `maxValues`: refused before it is built. */
  decode(payload: Payload, maxValues?: number): unknown;
  /** The same of a client's frame, where `data` of a publish may be left as it came (carried-data.ts). */
  decodeFrame(payload: Payload, maxValues: number): unknown;
}

export function payloadBytes(payload: Payload): number {
  return typeof payload === "string" ? Buffer.byteLength(payload) : payload.length;
}

/**
 * A frame for many receivers: encoded on first use per format, then kept, so that a native publication, a slow socket and a
 * recovery share one encoding.
 */
export class SharedFrame {
  readonly frame: ServerFrame;
  #first: Payload | undefined;
  #second: Payload | undefined;
  #firstBytes = 0;
  #secondBytes = 0;
  /** In the third format, for which most topics have nobody. */
  #third: { readonly payload: Payload; readonly bytes: number } | undefined;

  constructor(frame: ServerFrame) {
    this.frame = frame;
  }

  payload(format: FrameFormat): Payload {
    if (format.index === 0) {
      this.#first ??= format.encode(this.frame);
      return this.#first;
    }
    if (format.index === 2) return this.#inThird(format).payload;
    this.#second ??= format.encode(this.frame);
    return this.#second;
  }

  /** The payload's size, measured once. */
  bytes(format: FrameFormat): number {
    if (format.index === 0) {
      this.#firstBytes ||= payloadBytes(this.payload(format));
      return this.#firstBytes;
    }
    if (format.index === 2) return this.#inThird(format).bytes;
    this.#secondBytes ||= payloadBytes(this.payload(format));
    return this.#secondBytes;
  }

  #inThird(format: FrameFormat) {
    if (!this.#third) {
      const json = this.#first;
      const payload =
        format.around && typeof json === "string" ? format.around(json) : format.encode(this.frame);
      this.#third = { payload, bytes: payloadBytes(payload) };
    }
    return this.#third;
  }
}

// What a wire format is, and a frame encoded at most once per format; knows no concrete format and no socket.

import type { Payload } from "../engine/engine.ts";
import type { ServerFrame } from "./frames.ts";

/** One encoding of protocol 1. Formats are stateless and shared by all connections. */
export interface WireFormat {
  readonly name: "json" | "msgpack";
  /** What a client offers in `Sec-WebSocket-Protocol`. */
  readonly subprotocol: string;
  /** The format's place in per-format arrays, 0 or 1. */
  readonly index: number;
  /** Whether the format carries binary values. */
  readonly binary: boolean;
  /** A frame, or another object of the JSON data model. */
  encode(frame: object): Payload;
  /** One message as a plain value of the JSON data model, or a FanwireError `bad-frame`. `maxValues`: refused before it is built. */
  decode(payload: Payload, maxValues?: number): unknown;
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

  constructor(frame: ServerFrame) {
    this.frame = frame;
  }

  payload(format: WireFormat): Payload {
    if (format.index === 0) {
      this.#first ??= format.encode(this.frame);
      return this.#first;
    }
    this.#second ??= format.encode(this.frame);
    return this.#second;
  }

  /** The payload's size, measured once. */
  bytes(format: WireFormat): number {
    if (format.index === 0) {
      this.#firstBytes ||= payloadBytes(this.payload(format));
      return this.#firstBytes;
    }
    this.#secondBytes ||= payloadBytes(this.payload(format));
    return this.#secondBytes;
  }
}

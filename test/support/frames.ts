// RFC 6455 frames as bytes, both ways, for the test client; knows nothing of sockets or of what the payloads mean.
import { randomBytes } from "node:crypto";

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** A frame to send. Every field can be set to something illegal: hostile tests live on that. */
export interface OutboundFrame {
  readonly opcode: number;
  readonly payload?: string | Uint8Array;
  /** Default true. */
  readonly fin?: boolean;
  /** The three reserved bits as a number 0…7. Default 0. */
  readonly reserved?: number;
  /** Default true: a client has to mask. */
  readonly masked?: boolean;
  /** The length to claim, where it is not the payload's own. */
  readonly claimedLength?: number;
}

export interface InboundFrame {
  readonly opcode: number;
  readonly fin: boolean;
  readonly payload: Buffer;
}

export function encodeFrame(frame: OutboundFrame): Buffer {
  const payload = Buffer.from(frame.payload ?? "");
  const masked = frame.masked ?? true;
  const first = ((frame.fin ?? true) ? 0x80 : 0) | ((frame.reserved ?? 0) << 4) | frame.opcode;
  const length = encodeLength(frame.claimedLength ?? payload.length);
  length[0]! |= masked ? 0x80 : 0;
  if (!masked) return Buffer.concat([Buffer.of(first), length, payload]);
  const key = randomBytes(4);
  return Buffer.concat([Buffer.of(first), length, key, payload.map((byte, i) => byte ^ key[i & 3]!)]);
}

export function encodeClose(code: number, reason = ""): Buffer {
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return payload;
}

/** Without a code in the frame the code is 1005, as RFC 6455 says. */
export function decodeClose(payload: Buffer): { code: number; reason: string } {
  if (payload.length < 2) return { code: 1005, reason: "" };
  return { code: payload.readUInt16BE(0), reason: payload.subarray(2).toString() };
}

/** Cuts a stream of a server's bytes into frames, and throws where a server breaks the protocol. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): InboundFrame[] {
    let rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: InboundFrame[] = [];
    for (;;) {
      const header = readHeader(rest);
      if (header === undefined || rest.length < header.payloadAt + header.length) break;
      const end = header.payloadAt + header.length;
      frames.push({ opcode: header.opcode, fin: header.fin, payload: rest.subarray(header.payloadAt, end) });
      rest = rest.subarray(end);
    }
    this.#rest = rest;
    return frames;
  }
}

function readHeader(bytes: Buffer) {
  if (bytes.length < 2) return undefined;
  const [first, second] = [bytes[0]!, bytes[1]!];
  if (first & 0x70) throw new Error("the server set a reserved bit");
  if (second & 0x80) throw new Error("the server masked a frame");
  const header = { opcode: first & 0x0f, fin: (first & 0x80) !== 0 };
  if (second < 126) return { ...header, length: second, payloadAt: 2 };
  if (header.opcode >= opcodes.close) throw new Error("the server sent an overlong control frame");
  if (second === 126) {
    return bytes.length < 4 ? undefined : { ...header, length: bytes.readUInt16BE(2), payloadAt: 4 };
  }
  return bytes.length < 10
    ? undefined
    : { ...header, length: Number(bytes.readBigUInt64BE(2)), payloadAt: 10 };
}

function encodeLength(length: number): Buffer {
  if (length < 126) return Buffer.of(length);
  const bytes = Buffer.alloc(length < 65_536 ? 3 : 9);
  if (length < 65_536) {
    bytes[0] = 126;
    bytes.writeUInt16BE(length, 1);
  } else {
    bytes[0] = 127;
    bytes.writeBigUInt64BE(BigInt(length), 1);
  }
  return bytes;
}

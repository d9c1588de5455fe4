// WebSocket framing for the load generator: the least work per byte that still checks what arrives; knows no protocol.

export const opcode = { text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * A client frame. Its mask is four zero bytes: legal, costs the server the same unmasking as any other mask, and lets the
 * generator change payload bytes in place.
 */
export function maskedFrame(code: number, payload: Uint8Array): Buffer {
  const length = payload.length;
  const lengthBytes = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + lengthBytes + 4 + length);
  frame[0] = 0x80 | code;
  if (lengthBytes === 0) frame[1] = 0x80 | length;
  else if (lengthBytes === 2) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  frame.set(payload, 2 + lengthBytes + 4);
  return frame;
}

/** Called for each whole frame: its payload is `buffer` from `start` to `end`, valid during the call. */
export interface FrameReceiver {
  frame(code: number, buffer: Buffer, start: number, end: number): void;
}

/** Hands every whole frame of the buffer to the receiver and answers where the first unfinished one begins. */
export function scanFrames(buffer: Buffer, receiver: FrameReceiver): number {
  let at = 0;
  while (buffer.length - at >= 2) {
    const first = buffer[at] as number;
    let length = (buffer[at + 1] as number) & 0x7f;
    let start = at + 2;
    if (length === 126) {
      if (buffer.length < at + 4) break;
      length = buffer.readUInt16BE(at + 2);
      start = at + 4;
    } else if (length === 127) {
      if (buffer.length < at + 10) break;
      length = buffer.readUInt32BE(at + 2) * 4_294_967_296 + buffer.readUInt32BE(at + 6);
      start = at + 10;
    }
    // No server here compresses or fragments: anything but a plain final frame means that the stream is misread.
    if ((first & 0xf0) !== 0x80) throw new Error(`unexpected first byte of a frame: ${first}`);
    const end = start + length;
    if (buffer.length < end) break;
    receiver.frame(first & 0x0f, buffer, start, end);
    at = end;
  }
  return at;
}

// Bytes that break RFC 6455 or are larger than a frame may be, with the close codes that may follow; knows no server.

import { encodeClose, encodeFrame, type OutboundFrame, opcodes } from "./frames.ts";
import type { Random } from "./random.ts";

export interface Violation {
  readonly what: string;
  readonly bytes: Buffer;
  /** 1006: the connection ended without a word. */
  readonly codes: readonly number[];
}

const rounds = 4;
const maxFrameBytes = 65_536;

export function violations(random: Random): Violation[] {
  return Array.from({ length: rounds }, () => one(random)).flat();
}

function one(random: Random): Violation[] {
  const { text, binary, continuation, ping, pong, close } = opcodes;
  const payload = random.word(random.between(1, 100));
  const long = random.word(random.between(126, 300));
  const frames: [what: string, codes: number[], ...frames: OutboundFrame[]][] = [
    ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => broken(`opcode ${opcode}`, { opcode, payload })),
    ...[1, 2, 3, 4, 5, 6, 7].map((reserved) =>
      broken(`reserved bits ${reserved}`, { opcode: text, payload, reserved }),
    ),
    ...[ping, pong, close].map((opcode) => broken("a long control frame", { opcode, payload: long })),
    ...[ping, pong, close].map((opcode) =>
      broken("a control frame in fragments", { opcode, payload, fin: false }),
    ),
    broken("a continuation of nothing", { opcode: continuation, payload }),
    broken("a continuation of nothing, to be continued", { opcode: continuation, payload, fin: false }),
    broken("a message within a message", { opcode: binary, payload, fin: false }, { opcode: text, payload }),
    ...invalidTexts.map(
      (bytes) => ["text that is no UTF-8", [1007, 1006], { opcode: text, payload: bytes }] as never,
    ),
    ["a close frame of one byte", [1002, 1005, 1006], { opcode: close, payload: "x" }],
    ...[0, 99, 999, 1004, 1005, 1006, 1015, 5000, 65_535].map((code) => {
      return [
        `close code ${code}`,
        [1002, 1005, 1006],
        { opcode: close, payload: encodeClose(code) },
      ] as never;
    }),
    ["one byte too many", [1009], { opcode: text, payload: `"${"x".repeat(maxFrameBytes - 1)}"` }],
    ["twice too many", [1009], { opcode: binary, payload: Buffer.alloc(2 * maxFrameBytes) }],
    ["100,000 brackets", [1009], { opcode: text, payload: "[".repeat(100_000) }],
    ["far too many", [1009, 1006], { opcode: text, payload: "[".repeat(1_000_000) }],
    ["far too many in fragments", [1009, 1006], ...inFragments(Buffer.alloc(4 * maxFrameBytes, "["))],
    ["a claim of 2^62 bytes", [1009, 1006], { opcode: text, claimedLength: 2 ** 62 }],
  ];
  return [
    ...frames.map(([what, codes, ...sent]) => ({ what, codes, bytes: Buffer.concat(sent.map(encodeFrame)) })),
    {
      what: "a length below zero",
      codes: [1009, 1006],
      bytes: Buffer.concat([Buffer.of(0x81), Buffer.alloc(13, 0xff)]),
    },
    { what: "HTTP", codes: [1002, 1006], bytes: Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n") },
    { what: "unmasked frames", codes: [1002, 1006], bytes: unmasked(payload) },
  ];
}

/** The codes for whoever breaks the protocol. */
function broken(what: string, ...frames: OutboundFrame[]): [string, number[], ...OutboundFrame[]] {
  return [what, [1002, 1006], ...frames];
}

const invalidTexts = ["ff", "22fffe22", "c0af", "e282", "eda080", "f4908080", "22c32822", "80"].map((hex) =>
  Buffer.from(hex, "hex"),
);

function inFragments(bytes: Buffer): OutboundFrame[] {
  const half = bytes.length / 2;
  return [
    { opcode: opcodes.text, payload: bytes.subarray(0, half), fin: false },
    { opcode: opcodes.continuation, payload: bytes.subarray(half) },
  ];
}

/** Many, because uWebSockets takes the first one's bytes for a mask, and is out of step only from then on. */
function unmasked(payload: string): Buffer {
  const frame = encodeFrame({ opcode: opcodes.text, payload: `"${payload}"`, masked: false });
  return Buffer.concat(Array(200).fill(frame));
}

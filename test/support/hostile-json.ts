// Hostile frames as JSON text, and text that is no frame at all; knows nothing of the server.

import { encodeFrame, opcodes } from "./frames.ts";
import { type HostileFrame, hostileFrame, type Outcome } from "./hostile-frames.ts";
import type { Random } from "./random.ts";

/** Bytes for a connection that is open, and what may come back for them. */
export interface WireCase {
  readonly what: string;
  readonly bytes: Buffer;
  /** The `id` that the answer has to carry; without one an answer carries none. */
  readonly id?: number;
  readonly outcomes: readonly Outcome[];
  /** What a parser may give up on before it has seen the `id`. */
  readonly idMayBeLost?: boolean;
}

/** Any code of the documentation, an `ok`, or nothing. */
export const anyOutcome: readonly Outcome[] = ["any"];

const maxFrameBytes = 65_536;

export function jsonCase(random: Random, id: number, fresh: string): WireCase {
  if (random.below(3) > 0) return wellFormed(hostileFrame(random, id, fresh));
  const valid = JSON.stringify(hostileFrame(random, id, fresh).frame);
  switch (random.below(8)) {
    case 0:
      return text("a frame cut short", valid.slice(0, random.below(valid.length)), ["bad-frame"]);
    case 1:
      return mutated(random, valid);
    case 2:
      return text("no frame", random.pick(noFrames), ["bad-frame"]);
    case 3:
      return deep(random, id);
    case 4:
      return otherwiseSent(random, id, valid);
    default:
      return spelled(random, id, fresh);
  }
}

function wellFormed({ what, frame, outcomes }: HostileFrame): WireCase {
  return text(what, JSON.stringify(frame), outcomes, answerId(frame.id));
}

/** The `id` of the answer to a frame with this `id`: a positive integer, or none. */
export function answerId(id: unknown): number | undefined {
  return Number.isSafeInteger(id) && (id as number) > 0 ? (id as number) : undefined;
}

function text(what: string, payload: string, outcomes: readonly Outcome[], id?: number): WireCase {
  const bytes = encodeFrame({ opcode: opcodes.text, payload });
  return { what: `${what}: ${payload.slice(0, 120)}`, bytes, outcomes, ...(id !== undefined && { id }) };
}

const noFrames = [
  ...["", " ", "\n", "\u0000", "{", "}", "[", "]", "{}", "[]", "null", "true", "0", "-1", "1e999", '"ping"'],
  ...['[{"type":"ping"}]', "{'type':'ping'}", '{"type":"ping",}', '{type:"ping"}', '{"type":"ping"}x', "NaN"],
  ...[
    '{"type":"ping"}{"type":"ping"}',
    '{"type":"pi\u0000ng"}',
    '{"type":"pi\nng"}',
    '{"type":NaN}',
    "undefined",
  ],
  ...['{"type":"ping","a":01}', '{"type":"ping","a":+1}', '{"type":"ping","a":.5}', '{"type":"ping","a":1.}'],
  ...[
    '{"type":"ping","a":0x10}',
    '{"type":"ping","a":"\\x41"}',
    '{"type":"ping","a":"\\u12"}',
    "/**/{}",
    "<xml/>",
  ],
  ...[
    '{"type":"ping"/**/}',
    '{"type" "ping"}',
    '{"type":"ping" "id":1}',
    '{"type":"ping","a":tru}',
    "é",
    "🙂",
  ],
  ...[
    "[".repeat(60_000),
    "[".repeat(30_000) + "]".repeat(30_000),
    '{"a":'.repeat(12_000),
    "-",
    "1".repeat(60_000),
  ],
];

/** Where the text still parses, what it says is anybody's guess: the answer has to be a documented one. */
function mutated(random: Random, valid: string): WireCase {
  const characters = [...valid.slice(0, 2000).replace(/"id":[^,}]*,?/, "")];
  for (let change = random.between(1, 4); change > 0; change--) {
    const at = random.below(characters.length);
    characters[at] = random.pick(['"', "{", "}", "[", "]", ":", ",", "0", "e", "\\", "", "\u0000", "u"]);
  }
  const payload = characters.join("");
  return text("a frame with changed characters", payload, parses(payload) ? anyOutcome : ["bad-frame"]);
}

function parses(payload: string): boolean {
  try {
    JSON.parse(payload);
    return true;
  } catch {
    return false;
  }
}

/** Nested deeper than `data` may be, and at some depth deeper than a parser may want to go. */
function deep(random: Random, id: number): WireCase {
  const depth = random.pick([65, 100, 1000, 10_000, 31_000]);
  const idMayBeLost = depth > 1000;
  const nested = "[".repeat(depth) + "]".repeat(depth);
  const gaveUp = idMayBeLost ? ["bad-frame"] : [];
  const publish = `{"type":"publish","id":${id},"topic":"room:hostile","data":${nested}}`;
  const ping = `{"type":"ping","id":${id},"ignored":${nested}}`;
  return random.below(2) === 0
    ? { ...text("deep data", publish, ["bad-data", ...gaveUp], id), idMayBeLost }
    : { ...text("a deep unknown field", ping, ["pong", ...gaveUp], id), idMayBeLost };
}

/** As a binary frame, in fragments, or as large as a frame may be. */
function otherwiseSent(random: Random, id: number, valid: string): WireCase {
  const ping = JSON.stringify({ type: "ping", id });
  switch (random.below(3)) {
    case 0:
      return {
        what: "a binary frame",
        bytes: encodeFrame({ opcode: opcodes.binary, payload: valid }),
        outcomes: ["bad-frame"],
      };
    case 1:
      return { what: "a frame in fragments", bytes: inFragments(random, ping), id, outcomes: ["pong"] };
    default:
      return text("as large as may be", ping.padEnd(maxFrameBytes), ["pong"], id);
  }
}

/** Every byte a fragment of its own, with pings and empty fragments in between. */
function inFragments(random: Random, payload: string): Buffer {
  const frames: Buffer[] = [];
  for (const [at, character] of [...payload].entries()) {
    const opcode = at === 0 ? opcodes.text : opcodes.continuation;
    frames.push(encodeFrame({ opcode, payload: character, fin: at === payload.length - 1 }));
    if (at === payload.length - 1) continue;
    if (random.below(4) === 0) frames.push(encodeFrame({ opcode: opcodes.ping, payload: "in between" }));
    if (random.below(4) === 0) frames.push(encodeFrame({ opcode: opcodes.continuation, fin: false }));
  }
  return Buffer.concat(frames);
}

/** What JSON can spell and an object cannot hold: names twice, own `__proto__`, infinite numbers, lone surrogates. */
function spelled(random: Random, id: number, fresh: string): WireCase {
  const topic = `"topic":"room:${fresh}"`;
  const publish = `"type":"publish","id":${id},"topic":"room:hostile"`;
  const [code, payload] = random.pick<readonly [Outcome, string]>([
    ["pong", `{"type":"subscribe","id":7,"type":"ping","id":${id}}`],
    ["pong", ` \t\r\n{"\\u0074ype":"pin\\u0067","id":${id}.0}\n`],
    ["pong", `{"type":"ping","id":${id},"__proto__":{"id":-1,"type":5}}`],
    ["bad-frame", `{"__proto__":{"type":"ping"},"id":${id}}`],
    ["bad-topic", `{"type":"subscribe","id":${id},"__proto__":{${topic}}}`],
    ["bad-topic", `{"type":"subscribe","id":${id},"topic":"room:\\ud800"}`],
    ["bad-topic", `{"type":"subscribe","id":${id},"topic":"room:\\udc00\\ud800"}`],
    ["bad-position", `{"type":"subscribe","id":${id},${topic},"since":{"epoch":"e","offset":1e400}}`],
    [
      "bad-position",
      `{"type":"subscribe","id":${id},${topic},"since":{"__proto__":{"epoch":"e","offset":0}}}`,
    ],
    ["bad-frame", `{"type":"history","id":${id},${topic},"limit":1e400}`],
    ["bad-data", `{${publish},"data":1e400}`],
    ["bad-data", `{${publish},"data":{"a":[-1e999]}}`],
    ["bad-data", `{${publish},"__proto__":{"data":1}}`],
    ["bad-data", `{${publish},"data":{"__proto__":{"toJSON":1},"constructor":1}}`],
    ["bad-data", `{${publish},"data":[{"constructor":1,"toJSON":1,"__proto__":null}]}`],
    ["ok", `{${publish},"data":{"constructor":1,"toJSON":1,"__proto":null}}`],
    ["ok", `{${publish},"data":"\\ud800 \\udc00\\u0000"}`],
    ["ok", `{${publish},"data":[-0,123456789012345678901234567890,1e-400]}`],
    ["bad-data", `{${publish},"data":1,"event":"\\ud800"}`],
    [
      "bad-position",
      `{"type":"history","id":${id},${topic},"since":{"epoch":"\\udfff","offset":9007199254740991}}`,
    ],
    ["bad-frame", `{"type":"call","id":${id},"method":"\\ud800"}`],
  ]);
  return text("spelled strangely", payload, [code], id);
}

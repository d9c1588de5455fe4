// Hostile frames as MessagePack, and bytes that are no frame at all; knows nothing of the server.

import { Packr } from "msgpackr";
import { encodeFrame, opcodes } from "./frames.ts";
import { hostileFrame, type Outcome } from "./hostile-frames.ts";
import { answerId, anyOutcome, type WireCase } from "./hostile-json.ts";
import type { Random } from "./random.ts";

const packr = new Packr({ useRecords: false, mapsAsObjects: true, useToJSON: false });
/** What msgpackr writes unless told otherwise: records, structured clones, sets, dates and errors as extensions. */
const talkative = new Packr({ structuredClone: true, moreTypes: true });

export function msgpackCase(random: Random, id: number, fresh: string): WireCase {
  const { what, frame, outcomes } = hostileFrame(random, id, fresh);
  const valid = packr.pack(frame);
  switch (random.below(12)) {
    case 0:
      return binary("a frame cut short", valid.subarray(0, random.below(valid.length)), ["bad-frame"]);
    case 1:
      return binary(
        "a frame with something behind",
        Buffer.concat([valid, random.bytes(random.between(1, 9))]),
        ["bad-frame"],
      );
    case 2:
      return mutated(random, frame);
    case 3:
      return binary("random bytes", random.bytes(random.below(200)), ["bad-frame"]);
    case 4:
      return inside(random, id, random.pick(lies));
    case 5:
      return inside(random, id, random.pick(foreign));
    case 6:
      return extended(random, id);
    case 7:
      return random.below(4) === 0 ? asText(frame) : deep(random, id);
    case 8:
      return spelled(random, id);
    default: {
      const answer = answerId(frame.id);
      return { ...binary(what, valid, outcomes), ...(answer !== undefined && { id: answer }) };
    }
  }
}

function binary(what: string, payload: Uint8Array, outcomes: readonly Outcome[]): WireCase {
  const bytes = encodeFrame({ opcode: opcodes.binary, payload });
  return { what: `${what}: ${Buffer.from(payload.subarray(0, 60)).toString("hex")}`, bytes, outcomes };
}

function asText(frame: object): WireCase {
  const bytes = encodeFrame({ opcode: opcodes.text, payload: JSON.stringify(frame) });
  return { what: "a text frame", bytes, outcomes: ["bad-frame"] };
}

/** A map of one byte's length, its values written by hand. */
function mapOf(fields: Readonly<Record<string, Uint8Array>>): Buffer {
  const entries = Object.entries(fields);
  const parts = entries.flatMap(([key, value]) => [packr.pack(key), value]);
  return Buffer.concat([Buffer.of(0x80 | entries.length), ...parts]);
}

const hex = (...words: string[]) => words.map((word) => Buffer.from(word.replaceAll(" ", ""), "hex"));

/** Lengths of which nothing follows, up to four thousand million. */
const lies = hex(
  ...["dd ffffffff", "df ffffffff", "db ffffffff", "c6 ffffffff", "c9 ffffffff 01", "dc ffff", "de ffff"],
  ...[
    "da ffff",
    "c5 ffff",
    "c8 ffff 01",
    "d9 ff",
    "c4 ff",
    "c7 ff 01",
    "9f",
    "8f",
    "bf",
    "cf 00",
    "cb 00",
    "d8",
  ],
  ...["dd 7fffffff c0c0c0c0", "df 80000000 a161c0", "dd ffffffff dd ffffffff dd ffffffff"],
);

/** Not in the JSON data model: extensions, a byte that means nothing, keys that are not strings. */
const foreign = hex(
  ...[
    "c1",
    "d4 00 00",
    "d4 72 40",
    "d4 69 00",
    "d4 65 01",
    "d5 01 0000",
    "d6 ff 00000000",
    "d7 ff 0000000000000000",
  ],
  ...[
    "d8 62 00000000000000000000000000000000",
    "c7 00 01",
    "c7 03 70 c0c0c0",
    "c8 0002 74 0101",
    "c9 00000001 78 00",
  ],
  ...[
    "81 01 01",
    "81 c0 01",
    "81 c3 01",
    "81 90 01",
    "81 80 01",
    "81 c4 01 61 01",
    "81 cb 3ff0000000000000 01",
  ],
);

/** A publish whose `data` is spoilt: nothing of the frame can be relied upon, not even its `id`. */
function inside(random: Random, id: number, spoilt: Buffer): WireCase {
  const head = { type: packr.pack("publish"), id: packr.pack(id), topic: packr.pack("room:hostile") };
  const whole = random.below(3) === 0 ? spoilt : mapOf({ ...head, data: spoilt });
  return binary("spoilt bytes", whole, ["bad-frame"]);
}

function extended(random: Random, id: number): WireCase {
  const data = random.pick<unknown>([new Set([1]), new Date(0), new Map([[1, 2]]), /x/, new Error("x")]);
  const frame = { type: "publish", id, topic: "room:hostile", data };
  const circular: Record<string, unknown> = { ...frame };
  circular.data = circular;
  return binary("extensions", talkative.pack(random.below(3) === 0 ? circular : frame), ["bad-frame"]);
}

function deep(random: Random, id: number): WireCase {
  const depth = random.pick([65, 200, 300, 1000, 20_000, 60_000]);
  const nested = Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.of(0xc0)]);
  const head = { type: packr.pack("publish"), id: packr.pack(id), topic: packr.pack("room:hostile") };
  const gaveUp = depth > 200 ? ["bad-frame"] : [];
  return {
    ...binary("deep data", mapOf({ ...head, data: nested }), ["bad-data", ...gaveUp]),
    id,
    idMayBeLost: depth > 200,
  };
}

/** Changed bytes may still be a frame: the answer has to be a documented one. Without an `id`, which might become another's. */
function mutated(random: Random, frame: Readonly<Record<string, unknown>>): WireCase {
  const { id: _, ...rest } = frame;
  const bytes = Buffer.from(packr.pack(rest));
  for (let change = random.between(1, 4); change > 0; change--) {
    bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
  }
  return binary("a frame with changed bits", bytes, anyOutcome);
}

/** What MessagePack can spell and JSON cannot: other widths, names twice, binary values, numbers that are none. */
function spelled(random: Random, id: number): WireCase {
  const wide = Buffer.alloc(9, 0xcf);
  wide.writeBigUInt64BE(BigInt(id), 1);
  const double = Buffer.alloc(9, 0xcb);
  double.writeDoubleBE(id, 1);
  const [type, publish, pack] = [packr.pack("ping"), packr.pack("publish"), packr.pack(id)];
  const topic = packr.pack("room:hostile");
  const [lost, sole] = [{ id, idMayBeLost: true }, { id }];
  const publishing = (data: Buffer) => mapOf({ type: publish, id: pack, topic, data });
  const twice = Buffer.concat([
    Buffer.of(0x83),
    ...["type", "id", "id"].flatMap((key, at) => [packr.pack(key), [type, packr.pack(7), pack][at]!]),
  ]);
  const [nan, infinite, blob, badText, huge] = hex(
    "cb 7ff8000000000000",
    "ca 7f800000",
    "c4 02 0102",
    "a2 fffe",
    "cf ffffffffffffffff",
  );
  return random.pick<WireCase>([
    { ...binary("a wide id", mapOf({ type, id: wide }), ["pong"]), ...sole },
    { ...binary("a floating id", mapOf({ type, id: double }), ["pong"]), ...sole },
    { ...binary("two ids", twice, ["pong"]), ...sole },
    {
      ...binary(
        "a wide map",
        Buffer.concat([Buffer.of(0xdf, 0, 0, 0, 2), mapOf({ type, id: pack }).subarray(1)]),
        ["pong"],
      ),
      ...sole,
    },
    {
      ...binary("a key __proto__", mapOf({ type, id: pack, ["__proto__"]: mapOf({ id: type }) }), ["pong"]),
      ...sole,
    },
    {
      ...binary("type within __proto__", mapOf({ id: pack, ["__proto__"]: mapOf({ type }) }), ["bad-frame"]),
      ...sole,
    },
    {
      ...binary("data with a key __proto__", publishing(mapOf({ ["__proto__"]: pack })), ["bad-data"]),
      ...sole,
    },
    binary("an id above all integers", mapOf({ type, id: huge! }), ["bad-frame"]),
    binary("an id that is no number", mapOf({ type, id: nan! }), ["bad-frame"]),
    { ...binary("data NaN", publishing(nan!), ["bad-frame", "bad-data"]), ...lost },
    { ...binary("data infinite", publishing(infinite!), ["bad-frame", "bad-data"]), ...lost },
    { ...binary("binary data in a namespace without", publishing(blob!), ["bad-data"]), ...sole },
    {
      ...binary("binary topic", mapOf({ type: publish, id: pack, topic: blob!, data: pack }), ["bad-topic"]),
      ...sole,
    },
    {
      ...binary("binary position", mapOf({ type: packr.pack("history"), id: pack, topic, since: blob! }), [
        "bad-position",
      ]),
      ...sole,
    },
    binary("a binary value alone", blob!, ["bad-frame"]),
    { ...binary("text that is no UTF-8", publishing(badText!), ["bad-frame", "bad-data", "ok"]), ...lost },
    { ...binary("data of 64 bits", publishing(huge!), ["ok"]), ...sole },
  ]);
}

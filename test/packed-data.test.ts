// Data that stays packed: accepted, refused and seen by everybody exactly as if it had been decoded and encoded again.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { memoryOf } from "../src/bridge/memory-estimate.ts";
import { msgpack, pack } from "../src/wire/msgpack.ts";
import { PackedData } from "../src/wire/packed-data.ts";
import { readPackedPublish } from "../src/wire/packed-publish.ts";
import { isWellFormed } from "../src/wire/utf8.ts";
import { carriedDataContract } from "./contract/carried-data.ts";
import { outcomesUnder } from "./support/publish-outcomes.ts";
import { Random } from "./support/random.ts";

const maxValues = 10_000;
const rules = [
  { maxDepth: 64, maxValues, binary: false },
  { maxDepth: 64, maxValues, binary: true },
  { maxDepth: 2, maxValues, binary: true },
  { maxDepth: 64, maxValues: 5, binary: true },
];

/** JSON data that every decoder reads back the same: -0 is 0 in JSON, and msgpackr renames `__proto__`. */
const jsonData = fc
  .jsonValue({ maxDepth: 5 })
  .map((value) => JSON.parse(JSON.stringify(value).replaceAll("__proto__", "proto")) as unknown);

const outcomes = (read: () => unknown) => outcomesUnder(rules, read);
const asToday = (bytes: Buffer) => outcomes(() => msgpack.decode(bytes, maxValues + 32));
const asRead = (bytes: Buffer) => outcomes(() => msgpack.decodeFrame(bytes, maxValues + 32));

const packed = (value: unknown): Buffer => Buffer.from(pack(value));
const read = (bytes: Buffer) => readPackedPublish(bytes, maxValues);

/** The packed data of a publish in which it stands as it is. */
function dataOf(data: Buffer): unknown {
  const frame = Buffer.concat([
    Buffer.of(0x83),
    ...["type", "publish", "topic", "room:1", "data"].map(packed),
    data,
  ]);
  expect(asRead(frame)).toEqual(asToday(frame));
  return read(frame)?.data;
}

const names = fc.oneof(fc.string({ minLength: 1 }), fc.string({ unit: "grapheme", minLength: 1 }));
const fields = fc.record(
  {
    type: fc.constant("publish"),
    topic: fc.oneof(names, fc.constant("room:1")),
    data: jsonData,
    id: fc.integer({ min: 0, max: 2 ** 32 }),
    event: names,
    key: names,
    removed: fc.boolean(),
    idempotencyKey: names,
    echo: fc.boolean(),
  },
  { requiredKeys: ["type"] },
);
/** In either order. */
const publishes = fc.tuple(fields, fc.boolean()).map(([frame, isReversed]) => {
  return isReversed ? (Object.fromEntries(Object.entries(frame).reverse()) as typeof frame) : frame;
});

describe("a publish in MessagePack", () => {
  test("is read as any decoder reads it, whatever its fields and their order", () => {
    fc.assert(
      fc.property(publishes, (frame) => {
        const bytes = packed(frame);
        expect(asRead(bytes)).toEqual(asToday(bytes));
        const isRead = (frame.id ?? 0) < 2 ** 32;
        expect(read(bytes) !== undefined).toBe(isRead);
        if (isRead && "data" in frame)
          expect(read(bytes)!.data!.latin1).toBe(packed(frame.data).toString("latin1"));
      }),
      { numRuns: 100 },
    );
  });

  test("is accepted, refused and understood as before, whatever is changed in it or cut off", () => {
    const random = new Random(11);
    const samples = fc.sample(publishes, { seed: 5, numRuns: 300 }).map(packed);
    let kept = 0;
    for (let round = 0; round < 3000; round++) {
      const bytes = Buffer.from(random.pick(samples));
      for (let changes = random.below(3); changes > 0; changes--) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      const cut = random.below(8) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
      if (read(cut)) kept += 1;
      expect(asRead(cut)).toEqual(asToday(cut));
    }
    // Else nothing has been compared.
    expect(kept).toBeGreaterThan(500);
  });

  test("is accepted, refused and understood as before, whatever its data is made of", () => {
    const random = new Random(12);
    let kept = 0;
    for (let round = 0; round < 3000; round++) if (dataOf(anyValue(random, 0))) kept += 1;
    expect(kept).toBeGreaterThan(500);
  });
});

test("a frame with a field twice, or with more values than are counted, is for the general decoder", () => {
  const twice = ["type", "publish", "topic", "room:1", "data", 1, "data", 2].map(packed);
  const list = packed({ type: "publish", topic: "room:1", data: new Array(100).fill(0) });
  const bytes = Buffer.concat([Buffer.of(0x84), ...twice]);
  expect(asRead(bytes)).toEqual(asToday(bytes));
  expect(read(bytes)).toBeUndefined();
  for (const [most, isRead] of [
    [100, false],
    [102, false],
    [112, true],
  ] as const) {
    expect(readPackedPublish(list, most) !== undefined).toBe(isRead);
    const decode = (way: "decode" | "decodeFrame") => outcomes(() => msgpack[way](list, most));
    expect(decode("decodeFrame")).toEqual(decode("decode"));
  }
});

/** Values in every spelling that there is, plain or not, and now and then a length that lies. */
function anyValue(random: Random, depth: number): Buffer {
  const lie = random.below(60) === 0 ? random.between(-1, 2) : 0;
  const head = (leads: readonly number[], length: number) => {
    const size = random.below(leads.length);
    const bytes = Buffer.alloc(1 + 2 ** size, leads[size]!);
    bytes.writeUIntBE(Math.max(0, length + lie), 1, 2 ** size);
    return bytes;
  };
  const text = () => {
    const bytes = random.below(4) === 0 ? random.bytes(random.below(6)) : Buffer.from(random.pick(words));
    return Buffer.concat([
      random.below(2) ? Buffer.of(0xa0 + bytes.length) : head([0xd9, 0xda, 0xdb], bytes.length),
      bytes,
    ]);
  };
  const items = (count: number, make: () => Buffer) => Array.from({ length: count }, make);
  const few = random.below(4);
  switch (random.below(depth > 4 ? 6 : 9)) {
    case 0:
      return Buffer.of(random.pick([0xc0, 0xc2, 0xc3, 0xc1, 0x00, 0x7f, 0xe0, 0xff]));
    case 1:
      return Buffer.concat([Buffer.of(random.pick([0xcc, 0xd0])), random.bytes(1)]);
    case 2:
      return Buffer.concat([Buffer.of(random.pick([0xce, 0xd2, 0xca])), random.bytes(4)]);
    case 3:
      return Buffer.concat([Buffer.of(random.pick([0xcf, 0xd3, 0xcb])), random.bytes(8)]);
    case 4:
      return text();
    case 5:
      return Buffer.concat([head([0xc4, 0xc5, 0xc6], few), random.bytes(few)]);
    case 6:
      return Buffer.concat([Buffer.of(0x90 + few), ...items(few, () => anyValue(random, depth + 1))]);
    case 7:
      return Buffer.concat([
        Buffer.of(0x80 + few),
        ...items(few, () => Buffer.concat([text(), anyValue(random, depth + 1)])),
      ]);
    default: {
      const wide = [0xdc, 0xdd, 0xde, 0xdf] as const;
      const lead = random.pick(wide);
      const count = Buffer.alloc(lead % 2 === 0 ? 2 : 4);
      count[count.length - 1] = few;
      const item = () => anyValue(random, depth + 1);
      const parts = items(few, () => (lead < 0xde ? item() : Buffer.concat([text(), item()])));
      return Buffer.concat([Buffer.of(lead), count, ...parts]);
    }
  }
}

const words = [
  "",
  "a",
  "b",
  "seq",
  "text",
  "é",
  "日本",
  "👩‍👩‍👧",
  "__proto__",
  "constructor",
  "x".repeat(31),
];

describe("data that has to be decoded to be the same for everybody", () => {
  const twice = [0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2];
  test.each([
    ["has a key twice", twice],
    ["has a key twice, in two spellings", [0x82, 0xa1, 0x61, 1, 0xd9, 1, 0x61, 2]],
    ["has a key twice deep inside", [0x91, 0x81, 0xa1, 0x62, ...twice]],
    ["has an integer of 64 bits", [0x91, 0xcf, 0, 0x40, 0, 0, 0, 0, 0, 1]],
    ["has a negative integer of 64 bits", [0x91, 0xd3, 0xff, 0, 0, 0, 0, 0, 0, 1]],
    ["has a number that is infinite", [0x91, 0xcb, 0xff, 0xf0, 0, 0, 0, 0, 0, 0]],
    ["has what is no number in single precision", [0x91, 0xca, 0x7f, 0xc0, 0, 0]],
    ["has text that is no UTF-8", [0x91, 0xa2, 0xc3, 0x28]],
    ["has a key that is no UTF-8", [0x81, 0xa1, 0xff, 1]],
    ["has half a surrogate pair", [0x91, 0xa3, 0xed, 0xa0, 0x80]],
    [
      "has more keys in one map than are compared",
      [0xde, 0, 33, ...Array.from({ length: 33 }, (_, k) => [0xa1, k, 1]).flat()],
    ],
    ["is nested very deeply", [...new Array(64).fill(0x91), 1]],
  ])("is decoded where it %s", (_, bytes) => {
    expect(dataOf(Buffer.from(bytes as number[]))).toBeUndefined();
  });

  test("is nothing else: the same names in other maps, numbers of all other kinds, text of any language, binary values", () => {
    const same = { a: { a: 1, b: 2 }, b: [{ a: 1 }, { a: 2 }], "": "" };
    const wide = Object.fromEntries(Array.from({ length: 32 }, (_, key) => [`key-${key}`, key]));
    let deep: unknown = 1;
    for (let depth = 0; depth < 63; depth++) deep = [deep];
    for (const value of [
      same,
      wide,
      deep,
      [-1, -200, 1.5, 2 ** 31],
      "日本 👩‍👩‍👧 é",
      { image: new Uint8Array([0xff, 0]) },
    ]) {
      expect(dataOf(packed(value))).toBeInstanceOf(PackedData);
    }
  });
});

test("bytes are well-formed UTF-8 exactly where a decoder says so", () => {
  const strict = new TextDecoder("utf-8", { fatal: true });
  const isText = (bytes: Uint8Array) => {
    try {
      strict.decode(bytes);
      return true;
    } catch {
      return false;
    }
  };
  const random = new Random(3);
  const edges = [
    0, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xec, 0xed, 0xef, 0xf0, 0xf4, 0xf5,
  ];
  for (let round = 0; round < 20_000; round++) {
    const bytes = Uint8Array.from({ length: random.between(1, 5) }, () => random.pick(edges));
    expect([bytes, isWellFormed(bytes, 0, bytes.length)]).toEqual([bytes, isText(bytes)]);
  }
  const text = Buffer.from("x日本");
  expect([isWellFormed(text, 1, 4), isWellFormed(text, 1, 5), isWellFormed(text, 2, 4)]).toEqual([
    true,
    false,
    false,
  ]);
});

describe("packed data", () => {
  const packedDataOf = (data: unknown) => read(packed({ type: "publish", data }))!.data!;

  carriedDataContract({ data: jsonData, carried: packedDataOf, isPackedAnew: false });

  test("keeps nothing of the frame that it came in", () => {
    const bytes = packed({ type: "publish", data: { text: "kept" } });
    const { data } = read(bytes)!;
    bytes.fill(0);
    expect(data!.value).toEqual({ text: "kept" });
  });

  test("is estimated to take the memory of its bytes", () => {
    const of = (length: number) => memoryOf({ data: packedDataOf("x".repeat(length)), timestamp: 1 });
    expect(of(20_000) - of(10_000)).toBe(10_000);
    expect(of(0)).toBeGreaterThan(memoryOf({ data: "", timestamp: 1 }));
  });
});

// Data that stays the JSON it came in: accepted, refused and seen by everybody exactly as if it had been decoded and encoded again.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { memoryOf } from "../src/bridge/memory-estimate.ts";
import { json } from "../src/wire/json.ts";
import { JsonData } from "../src/wire/json-data.ts";
import { readJsonPublish } from "../src/wire/json-publish.ts";
import { carriedDataContract } from "./contract/carried-data.ts";
import { outcomesUnder } from "./support/publish-outcomes.ts";
import { Random } from "./support/random.ts";

const maxValues = 10_000;
const rules = [
  { maxDepth: 64, maxValues, binary: false },
  { maxDepth: 2, maxValues, binary: true },
  { maxDepth: 64, maxValues: 5, binary: true },
];

const outcomes = (read: () => unknown) => outcomesUnder(rules, read);
const asDecoded = (text: string) => outcomes(() => json.decode(text));
const asRead = (text: string) => outcomes(() => json.decodeFrame(text, maxValues + 32));
const read = (text: string) => readJsonPublish(text, maxValues + 32);
const withData = (data: string) => `{"type":"publish","topic":"room:1","data":${data}}`;

/** The data of a publish in which it is written so; undefined where it has to be decoded. Both ways agree on what it is. */
function dataOf(data: string): JsonData | undefined {
  const text = withData(data);
  expect(asRead(text)).toEqual(asDecoded(text));
  return read(text)?.data;
}

/** Data that this pass reads: short texts of one plane, doubles of 15 digits at most. */
const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.string({ unit: fc.constantFrom(...'abc "\\/{}[],:\n\té日') }),
    fc.integer(),
    fc.integer().map((number) => number / 100),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), tie("value"), { maxKeys: 4 }),
  ),
})).value;
const anyJson = fc.jsonValue({ maxDepth: 5 });

const names = fc.oneof(
  { weight: 12, arbitrary: fc.stringMatching(/^[a-z]{1,9}$/) },
  { weight: 1, arbitrary: fc.string({ minLength: 1 }) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", minLength: 1 }) },
);
const fields = fc.record(
  {
    type: fc.constant("publish"),
    topic: fc.oneof(names, fc.constant("room:1")),
    data: fc.oneof({ weight: 6, arbitrary: plain }, { weight: 1, arbitrary: anyJson }),
    id: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 1, max: 2 ** 32 }) },
      { weight: 1, arbitrary: fc.constantFrom(0, 2 ** 53, 1e17, -1, 0.5) },
    ),
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
  return JSON.stringify(isReversed ? Object.fromEntries(Object.entries(frame).reverse()) : frame);
});

describe("a publish in JSON", () => {
  test("is read as any decoder reads it, whatever its fields and their order", () => {
    let kept = 0;
    fc.assert(
      fc.property(publishes, (text) => {
        expect(asRead(text)).toEqual(asDecoded(text));
        if (read(text)) kept += 1;
      }),
      { numRuns: 500 },
    );
    expect(kept).toBeGreaterThan(50);
  });

  test("keeps its data as it is written, and the data's value", () => {
    fc.assert(
      fc.property(plain, (value) => {
        const text = JSON.stringify(value);
        const data = dataOf(text);
        // -0 is written 0.
        expect(data?.text).toBe(text);
        expect(data?.value).toEqual(JSON.parse(text));
      }),
      { numRuns: 300 },
    );
  });

  test("is accepted, refused and understood as before, whatever is changed in it or cut off", () => {
    const random = new Random(11);
    const samples = fc.sample(publishes, { seed: 5, numRuns: 300 });
    const signs = [
      '"',
      "\\",
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      " ",
      "0",
      "9",
      "-",
      ".",
      "e",
      "u",
      "\n",
      "é",
      "\ud800",
    ];
    let kept = 0;
    for (let round = 0; round < 5000; round++) {
      let text = random.pick(samples);
      for (let changes = random.below(3); changes > 0; changes--) {
        const at = random.below(text.length);
        text = text.slice(0, at) + random.pick(signs) + text.slice(at + random.below(2));
      }
      if (random.below(8) === 0) text = text.slice(0, random.below(text.length));
      if (read(text)) kept += 1;
      expect(asRead(text)).toEqual(asDecoded(text));
    }
    // Else nothing has been compared.
    expect(kept).toBeGreaterThan(500);
  });

  test("is accepted, refused and understood as before, whatever its data is made of", () => {
    const random = new Random(12);
    let kept = 0;
    for (let round = 0; round < 5000; round++) if (dataOf(anyValue(random, 0))) kept += 1;
    expect(kept).toBeGreaterThan(500);
  });
});

/** Values in many spellings, JSON or not. */
function anyValue(random: Random, depth: number): string {
  const few = random.below(4);
  const list = (make: () => string) => Array.from({ length: few }, make).join(random.below(40) ? "," : ",,");
  switch (random.below(depth > 4 ? 3 : 5)) {
    case 0:
      return random.pick(["true", "false", "null", "tru", "nul", "undefined", "NaN", ""]);
    case 1:
      return random.pick(numbers);
    case 2:
      return `"${random.pick(texts)}"`;
    case 3:
      return `[${list(() => anyValue(random, depth + 1))}${random.below(60) ? "]" : ""}`;
    default:
      return `{${list(() => `"${random.pick(texts)}"${random.below(60) ? ":" : ""}${anyValue(random, depth + 1)}`)}}`;
  }
}

const numbers = [
  "0",
  "-0",
  "1",
  "-1",
  "01",
  "-01",
  "1.5",
  "-0.5",
  "-0.0",
  "1.",
  ".5",
  "+1",
  "1e5",
  "1E400",
  "-",
  "1.5e3",
].concat([
  "123456789012345",
  "1234567890123456",
  "12345678901234567890",
  "0.12345678901234567",
  "0.123456789012345678",
  "00",
]);
const texts = [
  "",
  "a",
  "b",
  "seq",
  "é",
  "日本",
  "👩‍👩‍👧",
  "\\n",
  '\\"',
  "\\u0041",
  "\\ud83d",
  "\\x",
  "\\",
  "__proto__",
  "\n",
  "\x7f",
];

describe("data that has to be decoded to be the same for everybody", () => {
  test.each([
    ["has a key twice", '{"a":1,"a":2}'],
    ["has a key twice deep inside", '[{"b":{"a":1,"c":3,"a":2}}]'],
    ["has a key in another spelling", '{"a":1,"\\n":2}'],
    ["has the key __proto__", '{"__proto__":1}'],
    ["has an integer that only some read exactly", "1234567890123456"],
    ["has a fraction of more digits than a double has", "0.123456789012345678"],
    ["has an exponent", "1e5"],
    ["has a fraction with an exponent", "1.5e5"],
    ["has a number that is infinite", "1e400"],
    ["has a negative zero", "[-0]"],
    ["has a negative zero with digits", "-0.00"],
    ["has an escape by code", '"\\u0041"'],
    ["has half a surrogate pair", '"\ud83d"'],
    [
      "has more keys in one object than are compared",
      `{${Array.from({ length: 33 }, (_, key) => `"k${key}":0`)}}`,
    ],
    ["is nested very deeply", `${"[".repeat(64)}1${"]".repeat(64)}`],
    ["has space between its values", "[1, 2]"],
  ])("is decoded where it %s", (_, text) => {
    expect(dataOf(text)).toBeUndefined();
  });

  test("is nothing else: the same names in other objects, fractions, short escapes, text of any language but its pairs", () => {
    for (const text of [
      '{"a":{"a":1,"b":2},"b":[{"a":1},{"a":2}],"":""}',
      `{${Array.from({ length: 32 }, (_, key) => `"key-${key}":${key}`)}}`,
      `${"[".repeat(63)}1${"]".repeat(63)}`,
      "[0,-1,-0.5,123456789012345,0.1234567890123456,99.5]",
      '"日本 é \\n\\t\\r\\b\\f\\/\\"\\\\"',
      "[[],{},[{}],true,false,null]",
    ]) {
      expect(dataOf(text)).toBeInstanceOf(JsonData);
    }
  });
});

test("a frame with a field twice, an unknown one, or more values than are counted, is for the general decoder", () => {
  for (const text of [
    '{"type":"publish","topic":"room:1","data":1,"data":2}',
    '{"type":"publish","topic":"room:1","data":1,"later":2}',
    '{"type":"publish","topic":"room:1","data":1}}',
    '{"type":"publish","topic":"room:\\u0031","data":1}',
    '{"type":"publish","topic":"room:\\/","data":1}',
    '{"type":"publish","topic":"room:1","data":1,"id":01}',
    '{"type":"publish","topic":"room:1","data":1,"id":0}',
    '{"type":"publish","topic":"room:1","data":1,"id":1234567890123456}',
    '{"type":"publish","topic":"room:1","data":1,}',
    '{"topic":"room:1","data":1}',
    "",
  ]) {
    expect(asRead(text)).toEqual(asDecoded(text));
    expect(read(text)).toBeUndefined();
  }
  const list = withData(JSON.stringify(new Array(100).fill(0)));
  expect(readJsonPublish(list, 110)).toBeUndefined();
  expect(readJsonPublish(list, 111)).toBeDefined();
  const long = (length: number) => withData(`"${"x".repeat(length)}"`);
  expect(read(long(1500))).toBeDefined();
  expect(read(long(2500))).toBeUndefined();
  expect(asRead(long(2500))).toEqual(asDecoded(long(2500)));
});

describe("data that is JSON already", () => {
  const jsonDataOf = (data: unknown) => read(withData(JSON.stringify(data)))!.data!;

  carriedDataContract({ data: plain, carried: jsonDataOf, isPackedAnew: true });

  test("is estimated to take the memory of the frame that is kept with it", () => {
    const of = (length: number) => memoryOf({ data: jsonDataOf("x".repeat(length)), timestamp: 1 });
    expect(of(1500) - of(500)).toBe(1000);
    expect(of(0)).toBeGreaterThan(memoryOf({ data: "", timestamp: 1 }));
  });
});

// Envelopes between nodes: what comes out is what went in, and nothing that anybody writes to Redis makes decoding throw.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Publication } from "../src/bridge/bridge.ts";
import {
  decodeEnvelope,
  isName,
  packDisconnect,
  packedArray,
  packProbe,
  packPublication,
  packRelay,
  presenceHead,
  publicationsHead,
  unpackPublication,
  unpackValue,
} from "../src/bridge/envelope.ts";
import { pack } from "../src/wire/msgpack.ts";
import { Random } from "./support/random.ts";

/** As the script puts it together. */
function appended(epoch: unknown, first: unknown, publications: readonly Publication[]): Uint8Array {
  const body = packedArray(publications.map(packPublication));
  return Buffer.concat([publicationsHead("node-1"), pack(epoch), pack(first), body]);
}

const publication = fc.record(
  {
    data: fc.jsonValue(),
    timestamp: fc.nat(2 ** 45),
    event: fc.string(),
    key: fc.string(),
    removed: fc.constant(true as const),
    userId: fc.string(),
  },
  { requiredKeys: ["data", "timestamp"] },
);

/** -0 is 0 in JSON. */
const asJson = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("an envelope", () => {
  test("carries publications of any data and any fields", () => {
    const some = fc.array(publication, { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(some, fc.integer({ min: 1, max: 2 ** 52 }), (publications, first) => {
        const given = publications.map((each) => asJson(each) as Publication);
        const decoded = decodeEnvelope(appended("epoch-1", first, given));
        const expected = given.map((each, index) => ({ ...each, offset: first + index }));
        expect(decoded).toEqual({
          ...{ kind: "publications", instance: "node-1", epoch: "epoch-1", first },
          publications: expected,
        });
        const relayed = decodeEnvelope(packRelay("node-1", given.map(packPublication)));
        expect(relayed).toEqual({ kind: "relay", instance: "node-1", publications: given });
      }),
    );
  });

  test("carries what is easily lost: binary data, keys of all objects, great numbers, depth", () => {
    let deep: unknown = "bottom";
    for (let depth = 0; depth < 200; depth++) deep = depth % 2 ? [deep] : { deep };
    const data = [
      ...[
        new Uint8Array([0, 255, 128]),
        new Uint8Array(70_000),
        JSON.parse('{"__proto__":{"a":1},"constructor":2}'),
      ],
      ...[
        Number.MAX_SAFE_INTEGER,
        -Number.MAX_SAFE_INTEGER,
        2 ** 64,
        -(2 ** 63),
        1e300,
        5e-324,
        -1,
        -33,
        -129,
        -40_000,
      ],
      ...[0.1, "", "é".repeat(300), "\u0000", "x".repeat(70_000), { toJSON: 1 }, { "": null }, deep, [], {}],
    ];
    const decoded = decodeEnvelope(appended("e", 1, [{ data, timestamp: 1 }]));
    if (decoded?.kind !== "publications") throw new Error("no publications");
    const [copy] = decoded.publications;
    expect(copy!.data).toEqual(data as never);
    expect(Object.keys((copy!.data as object[])[2]!)).toEqual(["__proto__", "constructor"]);
    expect(Object.getPrototypeOf((copy!.data as object[])[2]!)).toBe(Object.prototype);
  });

  test("gives binary data a memory of its own, so that no kept publication keeps a whole message", () => {
    const bytes = appended("e", 1, [{ data: new Uint8Array([1, 2]), timestamp: 1 }]);
    const decoded = decodeEnvelope(bytes);
    bytes.fill(0);
    expect(decoded).toMatchObject({ publications: [{ data: new Uint8Array([1, 2]) }] });
  });

  test("carries requests to disconnect, probes and presence", () => {
    const told = { kind: "disconnect", instance: "a", userId: "ann" } as const;
    expect(decodeEnvelope(packDisconnect("a", "ann", "banned"))).toEqual({ ...told, reason: "banned" });
    expect(decodeEnvelope(packDisconnect("a", "ann", undefined))).toEqual({ ...told, reason: undefined });
    expect(decodeEnvelope(packProbe("a", 7))).toEqual({ kind: "probe", instance: "a", number: 7 });
    const presence = Buffer.concat([presenceHead("a"), pack(3), pack([["x", null]])]);
    expect(decodeEnvelope(presence)).toMatchObject({
      kind: "presence",
      instance: "a",
      version: 3,
      changes: [["x", null]],
    });
  });

  const good = appended("epoch-1", 9, [
    { data: { a: [1, "two"] }, timestamp: 5, userId: "u", event: "e", key: "k" },
  ]);

  test("is none where its form, its version or anything in it is not as it should be", () => {
    const item = [5, "data"];
    const not: unknown[] = [
      ...[null, 1, "text", {}, [], [1], [2, 1, "a", "e", 1, [item]], ["1", 1, "a", "e", 1, [item]]],
      ...[
        [1, 9, "a", 1],
        [1, 0, "a", "e", 1, [item]],
        [1, 1, "a", "e", 1],
        [1, 1, "a", "e", 1, [item], 1],
      ],
      ...[
        [1, 1, 5, "e", 1, [item]],
        [1, 1, "", "e", 1, [item]],
        [1, 1, "a b", "e", 1, [item]],
      ],
      ...[
        [1, 1, "a", 5, 1, [item]],
        [1, 1, "a", "", 1, [item]],
        [1, 1, "a", "x".repeat(65), 1, [item]],
      ],
      ...[0, -1, 1.5, "1", null, 2 ** 53, 2 ** 53 - 1].map((first) => [1, 1, "a", "e", first, [item]]),
      ...[[], {}, null, 5, [[]], [[5]], [5], [["5", 1]], [[null, 1]]].map((items) => [
        1,
        1,
        "a",
        "e",
        1,
        items,
      ]),
      ...[
        [5, 1, 7],
        [5, 1, null, 7],
        [5, 1, null, null, 7],
        [5, 1, null, null, "k", 1],
      ].map((each) => [1, 2, "a", [each]]),
      ...[[5, 1, null, null, "k", true, 1]].map((each) => [1, 2, "a", [each]]),
      ...[
        [1, 3, "a", 5, null],
        [1, 3, "a", "u", 5],
        [1, 3, "a", "u"],
        [1, 4, "a", -1],
        [1, 4, "a", "1"],
        [1, 5, "a", 1],
      ],
    ];
    for (const value of not) expect([value, decodeEnvelope(pack(value))]).toEqual([value, undefined]);
    expect(decodeEnvelope(pack([1, 1, "a", "e", 1, [item]]))).toBeDefined();
    expect(decodeEnvelope(Buffer.concat([good, Buffer.of(0xc0)]))).toBeUndefined();
    expect(decodeEnvelope(new Uint8Array())).toBeUndefined();
  });

  test("is none with lengths that lie, extensions, numbers without end, keys that are no text, and bottomless depth", () => {
    const withData = (...data: number[]) =>
      Buffer.concat([Buffer.of(0x94, 1, 2, 0xa1, 0x61, 0x91, 0x92, 5), Buffer.from(data)]);
    expect(decodeEnvelope(withData(0x01))).toBeDefined();
    const not = [
      ...[[0xc1], [0xc7, 0, 1], [0xd4, 1, 1], [0xd6, 0xff, 0, 0, 0, 0], [0xc9, 0, 0, 0, 0, 1]],
      ...[
        [0xdd, 0xff, 0xff, 0xff, 0xff],
        [0xdf, 0xff, 0xff, 0xff, 0xff],
        [0xdb, 0xff, 0xff, 0xff, 0xff],
        [0xc6, 0x7f, 0xff, 0xff, 0xff],
      ],
      ...[
        [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
        [0xca, 0x7f, 0xc0, 0, 0],
        [0x81, 0x01, 0x01],
        [0x81, 0xc0, 0x01],
        [0xa5, 0x61],
      ],
      Array.from({ length: 100_000 }, () => 0x91),
      Array.from({ length: 100_000 }, () => [0x81, 0xa0]).flat(),
    ];
    for (const data of not)
      expect([data.length, decodeEnvelope(withData(...data))]).toEqual([data.length, undefined]);
  });

  test("never throws, whatever is cut off, changed or made up", () => {
    for (let length = 0; length < good.length; length++) {
      expect(decodeEnvelope(good.subarray(0, length))).toBeUndefined();
    }
    const random = new Random(7);
    for (let round = 0; round < 20_000; round++) {
      const bytes = round % 2 ? Buffer.from(good) : random.bytes(random.between(1, 40));
      for (let changes = random.between(1, 3); changes > 0; changes--) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      const decoded = decodeEnvelope(bytes);
      if (decoded?.kind === "publications") expect(isName(decoded.epoch)).toBe(true);
      unpackValue(bytes);
      unpackPublication(bytes, 1);
    }
  });
});

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { Packr, pack } from "msgpackr";
import { FanwireError } from "../src/errors.ts";
import { checkData, copyData } from "../src/wire/data.ts";
import { SharedFrame, type WireFormat } from "../src/wire/format.ts";
import type { MessageFrame } from "../src/wire/frames.ts";
import { frameId, parseClientFrame } from "../src/wire/inbound.ts";
import { json } from "../src/wire/json.ts";
import { msgpack } from "../src/wire/msgpack.ts";
import { checkPlain } from "../src/wire/plain-msgpack.ts";
import { checkTopicName, namespaceOf } from "../src/wire/topic-name.ts";

const interoperable = new Packr({ useRecords: false });
/** JSON data that every decoder reads back the same: -0 is 0 in JSON, and msgpackr renames `__proto__`. */
const jsonData = fc
  .jsonValue({ maxDepth: 5 })
  .map((value) => JSON.parse(JSON.stringify(value).replaceAll("__proto__", "proto")) as unknown);

function codeOf(work: () => unknown): string {
  try {
    work();
  } catch (failure) {
    if (failure instanceof FanwireError) return failure.code;
    throw failure;
  }
  return "none";
}

describe.each([json, msgpack])("the format $name", (format: WireFormat) => {
  test("reads back what it wrote", () => {
    fc.assert(
      fc.property(jsonData, fc.string(), fc.nat(), (data, event, offset) => {
        const frame: MessageFrame = {
          type: "message",
          topic: "room:1",
          data,
          timestamp: 1.5e12,
          event,
          offset,
        };
        expect(format.decode(format.encode(frame))).toEqual(frame);
      }),
    );
  });

  test("writes data whose keys are names of an object's own methods", () => {
    const data = {
      constructor: 1,
      toJSON: 1,
      hasOwnProperty: 1,
      nested: [{ constructor: null, toJSON: "x" }],
    };
    const frame = { type: "message", topic: "room:1", data, timestamp: 1 } as const;
    expect(format.decode(format.encode(frame))).toEqual(frame);
  });

  test("answers anything else with bad-frame", () => {
    const wrongKind = format === json ? new Uint8Array([0x80]) : "{}";
    expect(codeOf(() => format.decode(wrongKind))).toBe("bad-frame");
    expect(codeOf(() => format.decode(format === json ? "{" : new Uint8Array([0x81])))).toBe("bad-frame");
  });
});

test("a shared frame is encoded once per format", () => {
  let encoded = 0;
  const counting: WireFormat = {
    ...json,
    encode(frame) {
      encoded += 1;
      return json.encode(frame);
    },
  };
  const frame = new SharedFrame({ type: "pong", timestamp: 1 });
  expect(frame.payload(counting)).toBe(frame.payload(counting));
  expect(frame.payload(msgpack)).toBeInstanceOf(Uint8Array);
  expect(encoded).toBe(1);
});

describe("plain MessagePack", () => {
  test("is whatever a plain encoder writes", () => {
    fc.assert(
      fc.property(jsonData, (value) => {
        expect(checkPlain(interoperable.pack(value)).fault).toBeUndefined();
      }),
    );
  });

  test("is not a value cut short, nor one that something follows", () => {
    fc.assert(
      fc.property(jsonData, fc.nat(), (value, seed) => {
        const bytes = interoperable.pack(value);
        expect(checkPlain(bytes.subarray(0, seed % bytes.length)).fault).toBe("it ends early");
        expect(checkPlain(Buffer.concat([bytes, Buffer.of(0xc0)])).fault).toBe("something follows the value");
      }),
    );
  });

  test("lets no bytes through that the decoder would choke on", () => {
    const mutated = fc
      .tuple(jsonData, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }))
      .map(([value, changes]) => {
        const bytes = Buffer.from(interoperable.pack(value));
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return bytes;
      });
    fc.assert(
      fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 40 })), (bytes) => {
        if (checkPlain(bytes).fault === undefined) msgpack.decode(bytes);
        else expect(codeOf(() => msgpack.decode(bytes))).toBe("bad-frame");
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    ["an array that claims four billion values", [0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0], "it ends early"],
    ["a map that claims four billion values", [0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61], "it ends early"],
    ["a string that claims four billion bytes", [0xdb, 0xff, 0xff, 0xff, 0xff, 0x61], "it ends early"],
    ["an extension", [0xd4, 0x72, 0x40], "extension types"],
    ["a number as key", [0x81, 0x01, 0x01], "not a string"],
    ["not a number", [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], "not finite"],
    ["infinity in single precision", [0xca, 0x7f, 0x80, 0, 0], "not finite"],
    ["the byte that is never used", [0xc1], "extension types"],
    ["nothing", [], "it ends early"],
  ])("is not %s", (_, bytes, fault) => {
    expect(checkPlain(Uint8Array.from(bytes)).fault).toContain(fault);
  });

  test("is not nested beyond any decoder's depth", () => {
    expect(checkPlain(new Uint8Array(100_000).fill(0x91)).fault).toContain("nested too deeply");
  });

  test("has no more values than it may, counted before anything is decoded", () => {
    const nested = interoperable.pack({ list: [1, {}, "x"], other: null });
    expect(checkPlain(nested, 6).fault).toBeUndefined();
    expect(checkPlain(nested, 5).fault).toBe("it has more than 5 values");
  });

  test("with a key `__proto__`, however it is written, decodes to what JSON decodes to, and is refused as data", () => {
    const key = [...Buffer.from("__proto__")];
    for (const head of [[0xa9], [0xd9, 9], [0xda, 0, 9], [0xdb, 0, 0, 0, 9]]) {
      // [{"a": {"__proto__": {"b": 1}, "c": 2}}, 3]
      const inner = [0x82, ...head, ...key, 0x81, 0xa1, 0x62, 1, 0xa1, 0x63, 2];
      const decoded = msgpack.decode(Uint8Array.from([0x92, 0x81, 0xa1, 0x61, ...inner, 3]));
      const expected = json.decode('[{"a":{"__proto__":{"b":1},"c":2}},3]');
      expect(JSON.stringify(decoded)).toBe(JSON.stringify(expected));
      for (const value of [decoded, expected]) {
        expect(codeOf(() => checkData(value, { maxDepth: 8, binary: false }))).toBe("bad-data");
      }
    }
    const others = { __proto_: 1, proto: 2, "123456789": 3, __PROTO__: 4 };
    expect(msgpack.decode(msgpack.encode(others))).toEqual(others);
    checkData(others, { maxDepth: 8, binary: false });
  });

  test("keeps the decoder away from msgpackr's own extensions", () => {
    expect(codeOf(() => msgpack.decode(pack({ when: new Date(0) })))).toBe("bad-frame");
  });
});

describe("an inbound frame", () => {
  test.each([
    [[], "bad-frame"],
    [null, "bad-frame"],
    ["text", "bad-frame"],
    [{}, "bad-frame"],
    [{ type: 7 }, "bad-frame"],
    [{ type: "dance" }, "unknown-type"],
    [{ type: "constructor" }, "unknown-type"],
    [{ type: "ping", id: 0 }, "bad-frame"],
    [{ type: "ping", id: 1.5 }, "bad-frame"],
    [{ type: "ping", id: "1" }, "bad-frame"],
    [{ type: "subscribe" }, "bad-topic"],
    [{ type: "subscribe", topic: "room" }, "bad-topic"],
    [{ type: "subscribe", topic: "room:1", since: 5 }, "bad-position"],
    [{ type: "subscribe", topic: "room:1", since: { epoch: "a" } }, "bad-position"],
    [{ type: "subscribe", topic: "room:1", since: { epoch: "a", offset: -1 } }, "bad-position"],
    [{ type: "subscribe", topic: "room:1", since: { epoch: "a", offset: 2 ** 53 } }, "bad-position"],
    [{ type: "subscribe", topic: "room:1" }, "bad-frame"],
    [{ type: "unsubscribe", topic: 7 }, "bad-topic"],
    [{ type: "publish", topic: "room:1" }, "bad-data"],
    [{ type: "publish", topic: "room:1", data: 1, event: "" }, "bad-data"],
    [{ type: "publish", topic: "room:1", data: 1, event: "half \ud800" }, "bad-data"],
    [{ type: "publish", topic: "room:1", data: 1, key: "\udc00" }, "bad-data"],
    [{ type: "publish", topic: "room:1", data: 1, idempotencyKey: "\ud800x" }, "bad-frame"],
    [{ type: "call", method: "\ud800" }, "bad-frame"],
    [{ type: "publish", topic: "room:1", data: 1, idempotencyKey: 7 }, "bad-frame"],
    [{ type: "publish", topic: "room:1", data: 1, echo: "no" }, "bad-frame"],
    [{ type: "history", topic: "room:1", limit: 0 }, "bad-frame"],
    [{ type: "history", topic: "room:1", since: [] }, "bad-position"],
    [{ type: "presence", topic: "room" }, "bad-topic"],
    [{ type: "refresh" }, "bad-frame"],
    [{ type: "call" }, "bad-frame"],
    [{ type: "call", method: "" }, "bad-frame"],
  ])("%j is answered %s", (value, code) => {
    expect(codeOf(() => parseClientFrame(value))).toBe(code);
  });

  test("loses nothing it needs and keeps nothing else", () => {
    const publish = {
      type: "publish",
      id: 4,
      topic: "room:1",
      data: null,
      event: "e",
      idempotencyKey: "k",
      echo: true,
    };
    expect(parseClientFrame({ ...publish, colour: "blue" })).toEqual(publish as never);
    const since = { epoch: "a", offset: 0 };
    const subscribe = { type: "subscribe", id: 5, topic: "room:1", since };
    expect(parseClientFrame(subscribe)).toEqual(subscribe as never);
  });

  test("has an id only where the id is usable", () => {
    expect(frameId({ id: 3 })).toBe(3);
    expect([frameId({ id: -3 }), frameId({ id: "3" }), frameId([]), frameId(null)]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe("a topic's name", () => {
  test.each(["room:1", "a-b-9:x", "room:a:b", "room:日本", `room:${"x".repeat(250)}`, "room:👩‍👩‍👧"])(
    "may be %s",
    (name) => {
      expect(checkTopicName(name)).toBe(name);
    },
  );

  test.each([
    "",
    "room",
    ":x",
    "room:",
    "Room:1",
    "ro om:1",
    "room:a b",
    "room:a*",
    "room:\u0000",
    "room:\u0085",
    "room:\u00a0",
    "room:\u2028",
    "room:\ud800",
    `room:${"x".repeat(251)}`,
    `room:${"日".repeat(84)}`,
    7,
    null,
    undefined,
  ])("may not be %j", (name) => {
    expect(codeOf(() => checkTopicName(name))).toBe("bad-topic");
  });

  test("has the namespace before the first colon", () => {
    expect(namespaceOf("room:a:b")).toBe("room");
  });
});

describe("data", () => {
  const rule = { maxDepth: 3, binary: false };

  test("is not nested deeper than the limit", () => {
    expect(codeOf(() => checkData([[[1]]], rule))).toBe("none");
    expect(codeOf(() => checkData([[{ a: [] }]], rule))).toBe("bad-data");
    expect(codeOf(() => copyData([[{ a: [] }]], rule))).toBe("bad-data");
  });

  test("has no more values than the limit, which by default is as low as a guest's must be", () => {
    const value = { list: [1, {}, "x"], other: null };
    expect(codeOf(() => checkData(value, { ...rule, maxValues: 6 }))).toBe("none");
    expect(codeOf(() => checkData(value, { ...rule, maxValues: 5 }))).toBe("bad-data");
    expect(codeOf(() => checkData(new Array(9_999).fill({}), rule))).toBe("none");
    expect(codeOf(() => checkData(new Array(10_000).fill({}), rule))).toBe("bad-data");
    expect(codeOf(() => copyData(new Array(10_000).fill({}), rule))).toBe("none");
  });

  test("has no number that is not finite, which JSON spells 1e400", () => {
    expect(codeOf(() => checkData(JSON.parse('{"a":[1e308]}'), rule))).toBe("none");
    expect(codeOf(() => checkData(JSON.parse('{"a":[1e400]}'), rule))).toBe("bad-data");
  });

  test("has binary values only where they are admitted", () => {
    const value = { image: Uint8Array.of(1, 2) };
    expect(codeOf(() => checkData(value, rule))).toBe("bad-data");
    expect(codeOf(() => checkData(value, { ...rule, binary: true }))).toBe("none");
    expect(copyData(value, { ...rule, binary: true })).toEqual(value);
  });

  test.each([[Number.NaN], [10n], [new Date()], [new Map()], [() => 1], [[undefined]], [Symbol("x")]])(
    "of an application is refused where it is %p",
    (value) => {
      expect(codeOf(() => copyData(value, rule))).toBe("bad-data");
    },
  );

  test("of an application is copied, without what is undefined", () => {
    const value = { a: [1, { b: "c" }], gone: undefined };
    const copy = copyData(value, { maxDepth: 8, binary: false });
    value.a.push(2);
    expect(copy).toEqual({ a: [1, { b: "c" }] });
    expect(Object.keys(copy as object)).toEqual(["a"]);
  });

  test("of an application may have a key of any name but `__proto__`", () => {
    const rule = { maxDepth: 8, binary: false };
    const text = '{"toString":{"hasOwnProperty":1},"constructor":2,"__proto_":3}';
    expect(JSON.stringify(copyData(JSON.parse(text), rule))).toBe(text);
    expect(() => copyData(JSON.parse('[{"__proto__":{"a":1}}]'), rule)).toThrow("has the key `__proto__`");
  });
});

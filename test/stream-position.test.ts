// The id of an event stream: what it says, what is read from it, and that no id of anybody's harms.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { readId, StreamPosition } from "../src/connections/stream-position.ts";
import { FanwireError } from "../src/errors.ts";

const none = new Map();
const topics = ["room:1", "user:ann", "ticker:fx"];

test("an id says where a client is in each topic, whatever their order", () => {
  const position = new StreamPosition(topics, none);
  expect([position.id, position.of("room:1")]).toEqual(["", undefined]);
  position.set("room:1", { epoch: "c0ffee", offset: 41 });
  position.set("ticker:fx", { epoch: "a:b, ü", offset: 0 });
  position.moveTo("room:1", 42);
  const back = new StreamPosition([...topics].reverse(), readId(position.id));
  expect(back.of("room:1")).toEqual({ epoch: "c0ffee", offset: 42 });
  expect(back.of("ticker:fx")).toEqual({ epoch: "a:b, ü", offset: 0 });
  expect(back.of("user:ann")).toBeUndefined();
});

test("a topic that nothing is known of has no place to move from, and none moves back", () => {
  const position = new StreamPosition(topics, none);
  position.moveTo("room:1", 5);
  expect(position.id).toBe("");
  position.set("room:1", { epoch: "e", offset: 5 });
  position.moveTo("room:1", 4);
  expect(position.of("room:1")).toEqual({ epoch: "e", offset: 5 });
});

test("what an id says of other topics is forgotten", () => {
  const position = new StreamPosition(["room:1", "room:2"], none);
  position.set("room:1", { epoch: "e", offset: 1 });
  position.set("room:2", { epoch: "e", offset: 2 });
  const fewer = new StreamPosition(["room:2"], readId(position.id));
  expect(fewer.id).toBe(position.id.split(",")[1]!);
});

test("every position survives the way to the client and back, in characters that a header can have", () => {
  const epoch = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });
  const offset = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
  fc.assert(
    fc.property(epoch, offset, (epoch, offset) => {
      const position = new StreamPosition(["room:1"], none);
      position.set("room:1", { epoch, offset });
      expect(position.id).toMatch(/^[\x21-\x7e]+$/);
      expect(new StreamPosition(["room:1"], readId(position.id)).of("room:1")).toEqual({ epoch, offset });
    }),
  );
});

test("any other text is refused `bad-position`", () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (text) => {
      expect(() => readId(text)).toThrow(FanwireError);
    }),
  );
  for (const text of [`${"x".repeat(11)}:%:1`, `${"x".repeat(11)}:e:zzzzzzzzzzz`, `${"x".repeat(11)}:e:1,`]) {
    expect(() => readId(text)).toThrow("Last-Event-ID");
  }
});

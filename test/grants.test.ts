// Grants: what a pattern covers, and that no pattern opens another user's topic.

import { expect, test } from "bun:test";
import fc from "fast-check";
import { covers, guestGrants, isPattern } from "../src/auth/grants.ts";

test.each([
  ["room:7", "room:7", true],
  ["room:7", "room:77", false],
  ["room:7", "room:", false],
  ["room:*", "room:7", true],
  ["room:*", "roommate:7", false],
  ["room:a*", "room:abc", true],
  ["room:a*", "room:b", false],
  ["*", "ticker:x", true],
  ["user:*", "user:ann", true],
  ["user:*", "user:bob", false],
  ["user:bob", "user:bob", false],
  ["*", "user:annie", false],
  ["*", "username:bob", true],
])("%s on %s for ann: %p", (pattern, topic, covered) => {
  expect(covers([pattern], topic, "ann")).toBe(covered);
});

test("one pattern that covers is enough, and none cover nothing", () => {
  expect(covers(["game:1", "room:*"], "room:1", "ann")).toBe(true);
  expect(covers([], "room:1", "ann")).toBe(false);
});

test("a guest has every topic but those of other users", () => {
  expect(covers(guestGrants.publish, "room:1", "guest-1")).toBe(true);
  expect(covers(guestGrants.subscribe, "user:guest-1", "guest-1")).toBe(true);
  expect(covers(guestGrants.subscribe, "user:guest-2", "guest-1")).toBe(false);
});

test.each([
  ["room:7", true],
  ["*", true],
  ["room:*", true],
  ["", false],
  ["room:*:x", false],
  ["**", false],
  ["a b", false],
  ["a\n*", false],
  ["\ud800", false],
  ["é".repeat(127), true],
  ["é".repeat(128), false],
])("%j can be a pattern: %p", (pattern, can) => {
  expect(isPattern(pattern)).toBe(can);
});

const name = fc.stringMatching(/^[a-z*:]{1,6}$/);

test("whatever the patterns are, nobody gets at another user's topic", () => {
  fc.assert(
    fc.property(fc.array(name), name, name, (patterns, userId, other) => {
      fc.pre(userId !== other);
      expect(covers([...patterns, "*", "user:*", `user:${other}`], `user:${other}`, userId)).toBe(false);
    }),
  );
});

test("a pattern covers exactly the topics that are equal to it or begin with what stands before its star", () => {
  const topic = fc.stringMatching(/^(room|game):[ab]{1,3}$/);
  fc.assert(
    fc.property(topic, fc.nat(8), topic, (base, length, other) => {
      const beginning = base.slice(0, length);
      expect(covers([`${beginning}*`], other, "ann")).toBe(other.indexOf(beginning) === 0);
      expect(covers([base], other, "ann")).toBe(base === other);
    }),
  );
});

// Small collections behave as Set and Map do, whatever their size, and take no room where they are empty.

import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FewMap, FewSet } from "../src/hub/few.ts";

const item = fc.integer({ min: 0, max: 20 });
const steps = fc.array(fc.record({ isAdded: fc.boolean(), item }), { maxLength: 200 });
const objects = Array.from({ length: 21 }, (_, name) => ({ name }));
/** Additions for the most part, so that collections grow beyond what a list holds. */
const growing = fc.array(fc.record({ isAdded: fc.integer({ max: 4 }).map((n) => n > 0), item }), {
  minLength: 30,
  maxLength: 200,
});

describe("a set of few", () => {
  test("holds what a Set holds, in the same order, after whatever was added and deleted", () => {
    const holds = (all: readonly { isAdded: boolean; item: number }[]) => {
      const few = new FewSet<{ readonly name: number }>();
      const model = new Set<{ readonly name: number }>();
      for (const { isAdded, item: name } of all) {
        const item = objects[name]!;
        if (isAdded) few.add(item);
        else few.delete(item);
        if (isAdded) model.add(item);
        else model.delete(item);
        expect(few.size).toBe(model.size);
      }
      expect([...few]).toEqual([...model]);
    };
    fc.assert(fc.property(steps, holds));
    fc.assert(fc.property(growing, holds));
  });
});

describe("a map of few", () => {
  test("holds what a Map holds after whatever was added, replaced and deleted", () => {
    const holds = (all: readonly { isAdded: boolean; item: number }[]) => {
      const few = new FewMap<{ readonly key: string; readonly at: number }>();
      const model = new Map<string, { readonly key: string; readonly at: number }>();
      for (const [at, { isAdded, item }] of all.entries()) {
        const key = `room:${item}`;
        const value = { key, at };
        if (isAdded) few.add(value);
        else few.delete(key);
        if (isAdded) model.set(key, value);
        else model.delete(key);
        expect(few.size).toBe(model.size);
        expect(few.get(key)).toBe(model.get(key)!);
        expect(few.has(key)).toBe(model.has(key));
      }
      const byAge = (left: { at: number }, right: { at: number }) => left.at - right.at;
      expect([...few].sort(byAge)).toEqual([...model.values()].sort(byAge));
      few.clear();
      expect([few.size, ...few]).toEqual([0]);
    };
    fc.assert(fc.property(steps, holds));
    fc.assert(fc.property(growing, holds));
  });
});

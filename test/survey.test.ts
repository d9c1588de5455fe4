import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { keptThings, Survey, thingsPerStep } from "../src/console/survey.ts";

function survey(things: ReadonlySet<number>, matches: (thing: number) => boolean = () => true) {
  let looks = 0;
  const rank = (thing: number) => thing;
  const counting = (thing: number) => {
    looks += 1;
    return matches(thing);
  };
  const all = () => things.values();
  const found = new Survey<number, number>({ all, matches: counting, rank, precedes: (a, b) => a > b });
  return { step: () => found.step(), looks: () => looks };
}

describe("a survey", () => {
  test("of what fits into a step finds the greatest that match, in order, each time anew", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(500), { maxLength: 200 })),
        fc.integer({ min: 1, max: 3 }),
        (rounds, factor) => {
          const things = new Set<number>();
          const matches = (thing: number) => thing % factor === 0;
          const { step } = survey(things, matches);
          for (const round of rounds) {
            things.clear();
            for (const thing of round) things.add(thing);
            const expected = [...things].filter(matches).sort((a, b) => b - a);
            expect(step()).toEqual({
              things: expected.slice(0, keptThings),
              matching: expected.length,
              isWhole: true,
            });
          }
        },
      ),
    );
  });

  test("keeps the order in which things came where ranks are equal", () => {
    const all = Array.from({ length: 2 * keptThings }, (_, index) => ({ index }));
    const equal = new Survey({
      all: () => all.values(),
      matches: () => true,
      rank: () => 0,
      precedes: (a, b) => a > b,
    });
    expect(equal.step().things).toEqual(all.slice(0, keptThings));
  });

  test("of more than that looks at a step's worth at a time and tells what it has, then the whole round's", () => {
    const count = 2.5 * thingsPerStep;
    const things = new Set(Array.from({ length: count }, (_, thing) => thing));
    const { step, looks } = survey(things);
    const top = (from: number) => Array.from({ length: keptThings }, (_, place) => from - 1 - place);
    for (const steps of [1, 2]) {
      const looked = steps * thingsPerStep;
      expect(step()).toEqual({ things: top(looked), matching: looked, isWhole: false });
      expect(looks()).toBe(looked);
    }
    const whole = { things: top(count), matching: count, isWhole: true };
    expect(step()).toEqual(whole);
    expect(looks()).toBe(count);
    // The next round has begun; what is told stays the last whole one's.
    expect(step()).toEqual(whole);
    expect(looks()).toBe(count + thingsPerStep);
  });

  test("survives what comes and goes under it", () => {
    const things = new Set(Array.from({ length: 1.5 * thingsPerStep }, (_, thing) => thing));
    const { step } = survey(things);
    step();
    things.clear();
    things.add(7);
    expect(step()).toMatchObject({ isWhole: true });
    expect(step()).toEqual({ things: [7], matching: 1, isWhole: true });
  });
});

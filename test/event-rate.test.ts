import { expect, test } from "bun:test";
import fc from "fast-check";
import { EventRate, meanOfSeconds } from "../src/hub/event-rate.ts";

test("a rate is the mean of the last whole seconds, whenever it is counted and asked", () => {
  const step = fc.record({ passed: fc.integer({ min: 0, max: 2 * meanOfSeconds }), count: fc.nat(1000) });
  fc.assert(
    fc.property(fc.nat(1_000_000), fc.array(step), (first, steps) => {
      const rate = new EventRate(first);
      const counted = new Map<number, number>();
      let second = first;
      for (const { passed, count } of steps) {
        second += passed;
        rate.add(count, second);
        counted.set(second, (counted.get(second) ?? 0) + count);
        const from = Math.max(first, second - meanOfSeconds);
        let sum = 0;
        for (let past = from; past < second; past++) sum += counted.get(past) ?? 0;
        expect(rate.perSecond(second)).toBeCloseTo(second === from ? 0 : sum / (second - from), 6);
      }
      expect(rate.total).toBe(steps.reduce((total, { count }) => total + count, 0));
    }),
  );
});

test("a rate falls to nothing once nothing happens any more", () => {
  const rate = new EventRate(7);
  rate.add(50, 7);
  const after = [8, 9, 12, 13, 1_000_000].map((second) => rate.perSecond(second));
  expect(after).toEqual([50, 25, 10, 0, 0]);
});

import { expect, test } from "bun:test";
import fc from "fast-check";
import { TokenBucket } from "../src/connections/rate.ts";

test("a burst is let through at once and no more", () => {
  const rate = { burst: 3, perSecond: 10 };
  const bucket = new TokenBucket(rate, 0);
  expect([1, 2, 3, 4].map(() => bucket.take(rate, 0))).toEqual([true, true, true, false]);
  expect(bucket.take(rate, 99)).toBe(false);
  expect(bucket.take(rate, 100)).toBe(true);
});

test("several are taken at once or not at all, and fractions add up", () => {
  const rate = { burst: 10, perSecond: 1 };
  const bucket = new TokenBucket(rate, 0);
  expect([8, 3, 1.5, 0.5, 0.5].map((count) => bucket.take(rate, 0, count))).toEqual([
    true,
    false,
    true,
    true,
    false,
  ]);
});

test("over any time it lets through at most the burst and what has refilled, and everything that keeps to the rate", () => {
  const rates = fc.record({
    burst: fc.integer({ min: 1, max: 50 }),
    perSecond: fc.integer({ min: 1, max: 500 }),
  });
  const waits = fc.array(fc.integer({ min: -5, max: 200 }), { maxLength: 300, size: "max" });
  fc.assert(
    fc.property(rates, waits, (rate, pauses) => {
      const bucket = new TokenBucket(rate, 0);
      let now = 0;
      let elapsed = 0;
      let taken = 0;
      for (const pause of pauses) {
        now += pause;
        elapsed += Math.max(0, pause);
        if (bucket.take(rate, now)) taken += 1;
        expect(taken).toBeLessThanOrEqual(rate.burst + (elapsed * rate.perSecond) / 1000 + 1e-6);
      }
    }),
  );
  fc.assert(
    fc.property(rates, fc.nat(200), (rate, count) => {
      const bucket = new TokenBucket(rate, 0);
      const apart = 1000 / rate.perSecond;
      for (let sent = 0; sent < count; sent++) expect(bucket.take(rate, sent * (apart + 1e-6))).toBe(true);
    }),
  );
});

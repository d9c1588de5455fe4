// How fast one connection may send: each rate by itself, and who is closed for going on.

import { describe, expect, test } from "bun:test";
import { resolveOptions } from "../src/config/config.ts";
import type { NamespaceOptions } from "../src/config/options.ts";
import { InboundRates } from "../src/connections/inbound-rates.ts";
import { FanwireError } from "../src/errors.ts";

const limits = {
  frameBurst: 100,
  framesPerSecond: 10,
  bytesBurst: 10_000,
  bytesPerSecond: 1000,
  badFrameBurst: 3,
};

/** How many of the attempts, all at one moment, are let through; the rest must be refused as rate-limited. */
function letThrough(attempts: number, attempt: () => void): number {
  let passed = 0;
  for (let i = 0; i < attempts; i++) {
    try {
      attempt();
      passed += 1;
    } catch (failure) {
      expect(failure).toBeInstanceOf(FanwireError);
      expect((failure as FanwireError).code).toBe("rate-limited");
    }
  }
  return passed;
}

/** How many refusals a connection survives. */
function survived(rates: InboundRates, frameBytes: number, nowMs: number): number {
  let count = 0;
  while (rates.refused(frameBytes, nowMs)) count += 1;
  return count;
}

describe("a connection", () => {
  test("may send a burst of frames, and from then on its rate", () => {
    const rates = new InboundRates(limits, 0);
    expect(letThrough(150, () => rates.take(10, 0))).toBe(100);
    expect(letThrough(20, () => rates.take(10, 500))).toBe(5);
  });

  test("may send a burst of bytes, and from then on their rate", () => {
    const rates = new InboundRates(limits, 0);
    expect(letThrough(50, () => rates.take(1000, 0))).toBe(10);
    // What is refused costs no bytes, and small frames still fit in.
    expect(letThrough(5, () => rates.take(1000, 1500))).toBe(1);
    expect(letThrough(5, () => rates.take(500, 1500))).toBe(1);
  });

  test("that was refused as much as it may send at once, in frames or in bytes, may not go on", () => {
    expect(survived(new InboundRates(limits, 0), 10, 0)).toBe(100);
    expect(survived(new InboundRates(limits, 0), 100, 0)).toBe(100);
    expect(survived(new InboundRates(limits, 0), 1000, 0)).toBe(10);
    expect(survived(new InboundRates(limits, 0), 10_000, 0)).toBe(1);
  });

  test("is forgiven with time", () => {
    const rates = new InboundRates(limits, 0);
    survived(rates, 1000, 0);
    expect(survived(rates, 1000, 5000)).toBe(5);
    expect([1, 2, 3, 4].map(() => rates.bad(5000))).toEqual([true, true, true, false]);
    expect([1, 2].map(() => rates.bad(6000))).toEqual([true, false]);
  });

  test("may publish into a namespace as often as that says, whatever it does elsewhere", () => {
    const { namespaces } = resolveOptions({
      namespaces: { room: { publishesPerSecond: 5 }, game: { publishesPerSecond: 2 } },
    });
    const into = (name: string, rates: InboundRates, nowMs: number) => () =>
      rates.takePublication(namespaces.get(name) as NamespaceOptions, nowMs);
    const [one, other] = [new InboundRates(limits, 0), new InboundRates(limits, 0)];
    expect(letThrough(20, into("room", one, 0))).toBe(5);
    expect(letThrough(20, into("game", one, 0))).toBe(2);
    expect(letThrough(20, into("ticker", one, 0))).toBe(20);
    expect(letThrough(20, into("room", other, 0))).toBe(5);
    expect(letThrough(20, into("room", one, 400))).toBe(2);
  });
});

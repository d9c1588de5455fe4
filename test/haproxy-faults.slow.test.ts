// What operators do to nodes behind HAProxy, and what happens to HAProxy itself, under load with clients that count.

import { describe, expect, test } from "bun:test";
import { shortDurations } from "./faults/cases.ts";
import { proxiedNodeFaults, proxyFaults, runProxied } from "./faults/proxied-cases.ts";
import { table } from "./faults/verdict.ts";

const timeoutMs = 120_000;
/** Each node is hit by every other fault; the whole matrix hits both with all: `npm run soak -- haproxy`. */
const alternating = [1, 2, 1].map((id, index) => proxiedNodeFaults(shortDurations, [id])[index]!);
const faults = [...proxyFaults, ...alternating];

describe("behind HAProxy, with subscribers and publishers of every mode, every promise is kept through", () => {
  test.each(faults.map((fault) => [`${fault.name} ${fault.victim ?? ""}`.trim(), fault] as const))(
    "%s",
    async (_, fault) => {
      const verdict = await runProxied(fault);
      console.log(table([verdict]));
      expect(verdict.broken).toEqual([]);
      expect(verdict.acknowledged).toBeGreaterThan(200);
    },
    timeoutMs,
  );
});

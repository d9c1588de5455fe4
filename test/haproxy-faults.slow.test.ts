// What operators do to nodes behind HAProxy, and what happens to HAProxy itself, under load with clients that count.

import { describe, expect, test } from "bun:test";
import { proxyFaults, runProxied } from "./faults/proxied-cases.ts";
import { table } from "./faults/verdict.ts";

const timeoutMs = 120_000;

describe("behind HAProxy, with subscribers and publishers of every mode, every promise is kept through", () => {
  test.each(proxyFaults.map((fault) => [fault.name, fault] as const))(
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

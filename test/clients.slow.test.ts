// Real clients in Bun, Node.js 22, Deno and Chromium while nodes and Redis die, sleep and come back; minutes of it: `npm run soak -- clients`.

import { expect, test } from "bun:test";
import { runOrdeal } from "./fleet/ordeal.ts";
import { described } from "./soak/clients.ts";

const timeoutMs = 120_000;

test(
  "whatever dies, sleeps and comes back, clients lose nothing, get nothing twice, and see one order",
  async () => {
    const say = () => undefined;
    const plan = { clients: 60, durationMs: 12_000, longestMs: 1_500, publishEveryMs: 500, seed: 1, say };
    const result = await runOrdeal({ ...plan, runtimes: ["Bun", "Node.js 22", "Deno", "Chromium"] });
    console.log(described(result));
    expect(result.broken).toEqual([]);
    expect(result.acknowledged).toBeGreaterThan(500);
    expect(result.outages).toBeGreaterThan(10);
    expect(result.redisRestarts).toBeGreaterThan(0);
  },
  timeoutMs,
);

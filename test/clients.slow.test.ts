// Real clients in Bun, Node.js 22, Deno and Chromium, and over server-sent events, while nodes and Redis die, sleep and come back;
// minutes of it: `npm run soak -- clients`.

import { expect, test } from "bun:test";
import { runOrdeal } from "./fleet/ordeal.ts";
import { described } from "./soak/clients.ts";

const timeoutMs = 120_000;

test(
  "whatever dies, sleeps and comes back, clients lose nothing, get nothing twice, and see one order",
  async () => {
    const say = () => undefined;
    const plan = {
      clients: 60,
      readers: 12,
      durationMs: 16_000,
      longestMs: 1_500,
      publishEveryMs: 500,
      seed: 1,
      say,
    };
    const runtimes = ["Bun", "Node.js 22", "Deno", "Chromium"] as const;
    const result = await runOrdeal({ ...plan, runtimes });
    console.log(described(result));
    expect(result.broken).toEqual([]);
    expect(result.acknowledged).toBeGreaterThan(500);
    expect(result.outages).toBeGreaterThan(10);
    const kinds = runtimes.flatMap((runtime) => [runtime, `${runtime}, server-sent events`]);
    expect(Object.keys(result.kinds).sort()).toEqual(kinds.sort());
    for (const kind of Object.values(result.kinds)) expect(kind.deliveries).toBeGreaterThan(100);
    const happened = ["node killed", "node paused", "node drained", "Redis killed", "Redis restarted"];
    expect(Object.keys(result.accidents)).toEqual(expect.arrayContaining(happened));
  },
  timeoutMs,
);

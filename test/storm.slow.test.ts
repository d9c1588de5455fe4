// The reconnect storm with hundreds of clients: all are back, on other nodes, and nothing is lost. Thousands: `npm run soak -- storm`.

import { expect, test } from "bun:test";
import { runStorm } from "./fleet/storm.ts";
import { described } from "./soak/storm.ts";

const timeoutMs = 120_000;
const plan = {
  ...{ clients: 200, processes: 2, rooms: 20, publishEveryMs: 4_000 },
  ...{ calmMs: 1_500, watchedMs: 4_000 },
  // For a machine that does other things too; the soak's are a tenth.
  boundsMs: { half: 20_000, all: 30_000 },
};

test.each(["direct", "haproxy"] as const)(
  "of a node that is killed all clients are back on others, %s, and nothing is lost",
  async (entrance) => {
    const result = await runStorm({ ...plan, entrance });
    console.log(described(result));
    expect(result).toMatchObject({ lost: 0, doubled: 0, disordered: 0, resets: [0, 0], broken: [] });
    expect(result.outages).toBe(plan.clients);
    expect(result.acknowledged).toBeGreaterThan(plan.clients);
  },
  timeoutMs,
);

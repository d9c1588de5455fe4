// Whole nodes with clients over a model of Redis, seed by seed. SEED=n replays one; FANWIRE_SIMULATION_SEEDS says how many.

import { expect, test } from "bun:test";
import { simulate } from "./support/simulation.ts";

const one = process.env.SEED;
const from = Number(one ?? 1);
const seeds = one === undefined ? Number(process.env.FANWIRE_SIMULATION_SEEDS ?? 10_000) : 1;

test(`whatever happens between nodes in ${seeds} runs, every promise is kept to every client`, async () => {
  for (let seed = from; seed < from + seeds; seed++) {
    const { complaints } = await simulate(seed);
    expect({ replay: `SEED=${seed}`, complaints }).toEqual({ replay: `SEED=${seed}`, complaints: [] });
  }
}, 600_000);

test("a seed runs the same way each time", async () => {
  const counts = async () => (await simulate(from)).counts;
  expect(await counts()).toEqual(await counts());
});

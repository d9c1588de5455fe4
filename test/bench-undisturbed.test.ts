// Windows that something disturbed are measured again, so often and no more.

import { expect, test } from "bun:test";
import { undisturbed, windowSeed } from "../bench/measure/undisturbed.ts";
import type { Flag } from "../bench/measure/validity.ts";

const flag = (disturbance: boolean): Flag => ({
  name: "steal",
  detail: "",
  refuses: "everything",
  disturbance,
});
const patience = { attempts: 3, quick: false };

/** Measures windows that are disturbed, up to a number of them. */
function machine(disturbedWindows: number) {
  const asked: number[] = [];
  const measure = async (attempt: number) => {
    asked.push(attempt);
    return { attempt, flags: [flag(false), ...(attempt <= disturbedWindows ? [flag(true)] : [])] };
  };
  return { asked, measure };
}

test("a window that nothing disturbed is measured once, whatever else is wrong with it", async () => {
  const { asked, measure } = machine(0);
  const { window, disturbed } = await undisturbed(patience, measure);
  expect([asked, window.attempt, disturbed]).toEqual([[1], 1, []]);
});

test("a disturbed one is measured again, and those before it are told", async () => {
  const { asked, measure } = machine(1);
  const { window, disturbed } = await undisturbed(patience, measure);
  expect([asked, window.attempt, disturbed.map((one) => one.attempt)]).toEqual([[1, 2], 2, [1]]);
});

test("the last one counts, disturbed or not", async () => {
  const { asked, measure } = machine(99);
  const { window, disturbed } = await undisturbed(patience, measure);
  expect([asked, window.attempt, disturbed.length]).toEqual([[1, 2, 3], 3, 2]);
});

test("a quick run takes the first one as it is", async () => {
  const { asked, measure } = machine(99);
  const { window, disturbed } = await undisturbed({ ...patience, quick: true }, measure);
  expect([asked, window.attempt, disturbed]).toEqual([[1], 1, []]);
});

test("no two attempts of a round, and no two rounds, have one seed", () => {
  const seeds = [1, 2].flatMap((seed) =>
    [1, 2].flatMap((round) => [1, 2].map((attempt) => windowSeed(seed, round, attempt))),
  );
  expect(new Set(seeds).size).toBe(8);
});

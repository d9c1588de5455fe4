import { test } from "bun:test";
import { checkSeed } from "./support/presence-chaos.ts";

test("whatever happens in 1,500 long runs, in the end every node knows who is there, and was told", async () => {
  for (let seed = 100_001; seed <= 101_500; seed++) await checkSeed(seed, 150);
}, 300_000);

// Many seeds of the simulation: `npm run soak -- simulation [--seeds 10000] [--from 1] [--minutes 60] [--failures 10] [--processes 2]`.
// Ends after the seeds, the minutes or the failures, whichever comes first. Without `--seeds` it goes on for as long as it may. A run
// that is given its minutes leaves a result.

import { writeResult } from "./result.ts";
import { runSeeds } from "./seed-process.ts";
import type { Outcome } from "./seeds.ts";
import { numbersOf } from "./words.ts";

const progressMs = 60_000;
const defaults = { seeds: Number.MAX_SAFE_INTEGER, from: 1, minutes: 60, failures: 10, processes: 1 };

/** Answers the exit code: 0 where every promise was kept. */
export async function soakSimulation(words: readonly string[]): Promise<number> {
  const { seeds, from, minutes, failures, processes } = numbersOf(words, defaults);
  const startedAt = new Date();
  const shares = Array.from({ length: processes }, (_, index) => ({
    ...{ from: from + index, every: processes, minutes, failures },
    seeds: Math.ceil((seeds - index) / processes),
  }));
  const outcomes: Outcome[] = shares.map(() => ({ seeds: 0, failures: [], counts: {} }));
  const progress = setInterval(() => console.log(told(sumOf(outcomes), from, startedAt)), progressMs);
  const soFar = (index: number) => (outcome: Outcome) => {
    outcomes[index] = outcome;
  };
  const ends = await Promise.allSettled(shares.map((share, index) => runSeeds(share, soFar(index))));
  clearInterval(progress);
  // What the other processes found is worth knowing of all the same.
  const broken = ends.flatMap((end) => (end.status === "rejected" ? [String(end.reason)] : []));
  for (const reason of broken) console.log(reason);
  const sum = sumOf(outcomes);
  for (const { seed, complaints } of sum.failures) {
    console.log(`seed ${seed} failed (SEED=${seed} bun test test/simulation.slow.test.ts):`);
    for (const complaint of complaints) console.log(`  ${complaint}`);
  }
  console.log(JSON.stringify(sum.counts));
  console.log(told(sum, from, startedAt));
  if (words.includes("--minutes")) {
    writeResult("simulation", startedAt, { from, minutes, processes, broken, ...sum });
  }
  return sum.failures.length > 0 || broken.length > 0 || sum.seeds === 0 ? 1 : 0;
}

function told({ seeds, failures }: Outcome, from: number, startedAt: Date): string {
  const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
  return `${seeds} seeds from ${from} in ${seconds} s: ${failures.length} failed`;
}

function sumOf(outcomes: readonly Outcome[]): Outcome {
  const counts: Record<string, number> = {};
  for (const outcome of outcomes) {
    for (const [name, times] of Object.entries(outcome.counts)) counts[name] = (counts[name] ?? 0) + times;
  }
  const seeds = outcomes.reduce((sum, outcome) => sum + outcome.seeds, 0);
  return { seeds, failures: outcomes.flatMap((outcome) => outcome.failures), counts };
}

// Many seeds of the simulation: `npm run soak -- simulation --seeds 10000 [--from 1] [--minutes 60] [--failures 10]`. Ends after the
// seeds, the minutes or the failures, whichever comes first.

import { simulate } from "../support/simulation.ts";

const progressMs = 10_000;
const options = { seeds: 10_000, from: 1, minutes: 60, failures: 10 };

export async function soakSimulation(words: readonly string[]): Promise<number> {
  const { seeds, from, minutes, failures } = read(words);
  const startMs = performance.now();
  const total: Record<string, number> = {};
  let toldMs = startMs;
  let failed = 0;
  let count = 0;
  while (count < seeds && performance.now() - startMs < minutes * 60_000 && failed < failures) {
    const { seed, complaints, counts } = await simulate(from + count);
    count += 1;
    for (const [name, times] of Object.entries(counts)) total[name] = (total[name] ?? 0) + times;
    if (complaints.length > 0) {
      failed += 1;
      console.log(`seed ${seed} failed (SEED=${seed} bun test test/simulation.slow.test.ts):`);
      for (const complaint of complaints.slice(0, 5)) console.log(`  ${complaint}`);
    }
    if (performance.now() - toldMs < progressMs) continue;
    toldMs = performance.now();
    console.log(`${count} seeds, ${failed} failed, ${((toldMs - startMs) / count).toFixed(1)} ms each`);
  }
  console.log(JSON.stringify(total));
  console.log(
    `${count} seeds from ${from} in ${Math.round((performance.now() - startMs) / 1000)} s: ${failed} failed`,
  );
  return failed > 0 || count === 0 ? 1 : 0;
}

function read(words: readonly string[]): typeof options {
  const found = { ...options };
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at]!.replace(/^--/, "") as keyof typeof options;
    const value = Number(words[at + 1]);
    if (!(name in options) || !Number.isFinite(value))
      throw new Error(`${words[at]} ${words[at + 1]}: no option`);
    found[name] = value;
  }
  return found;
}

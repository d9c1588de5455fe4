// One process's share of the simulation's seeds: `bun test/soak/seeds.ts '{"from":1,"every":2,"seeds":5000,"minutes":60,"failures":10}'`.
// Every few seconds, and at its end, it prints a line of JSON: what came of its seeds so far.

import { simulate } from "../support/simulation.ts";

export interface Share {
  /** The first seed; the next one is `every` further. */
  readonly from: number;
  readonly every: number;
  /** It ends after so many seeds, minutes or failures, whichever comes first. */
  readonly seeds: number;
  readonly minutes: number;
  readonly failures: number;
}

export interface Outcome {
  readonly seeds: number;
  readonly failures: readonly { readonly seed: number; readonly complaints: readonly string[] }[];
  /** What happened, how often. */
  readonly counts: Readonly<Record<string, number>>;
}

const reportMs = 5000;
const mostComplaints = 5;

async function run({ from, every, seeds, minutes, failures: mostFailures }: Share): Promise<void> {
  const startMs = performance.now();
  const failures: Outcome["failures"][number][] = [];
  const counts: Record<string, number> = {};
  let done = 0;
  const report = () => console.log(JSON.stringify({ seeds: done, failures, counts } satisfies Outcome));
  let reportedMs = startMs;
  for (; done < seeds && failures.length < mostFailures; done++) {
    const nowMs = performance.now();
    if (nowMs - startMs >= minutes * 60_000) break;
    if (nowMs - reportedMs >= reportMs) {
      report();
      reportedMs = nowMs;
    }
    const { seed, complaints, counts: happened } = await simulate(from + done * every);
    for (const [name, times] of Object.entries(happened)) counts[name] = (counts[name] ?? 0) + times;
    if (complaints.length > 0) failures.push({ seed, complaints: complaints.slice(0, mostComplaints) });
  }
  report();
}

if (import.meta.main) {
  // Whoever waits for the outcome is gone.
  process.on("disconnect", () => process.exit(1));
  await run(JSON.parse(process.argv[2]!) as Share);
  process.exit(0);
}

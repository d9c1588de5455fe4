// The whole fault matrices, on both engines: `npm run soak -- faults` directly, `npm run soak -- haproxy` behind HAProxy; other
// words choose faults by their name.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineFacts } from "../../bench/measure/machine.ts";
import { type Case, faultsOf, wholeDurations } from "../faults/cases.ts";
import { proxiedRedisFaults, proxyFaults, runProxied } from "../faults/proxied-cases.ts";
import { runFault } from "../faults/run.ts";
import { table, type Verdict } from "../faults/verdict.ts";

/** Answers the exit code: 0 where every promise was kept. */
export function soakFaults(words: readonly string[]): Promise<number> {
  return soak("faults", faultsOf(wholeDurations), runFault, words);
}

export function soakHaproxy(words: readonly string[]): Promise<number> {
  return soak("haproxy", [...proxyFaults, ...proxiedRedisFaults(wholeDurations)], runProxied, words);
}

async function soak<Fault extends Case>(
  matrix: string,
  all: readonly Fault[],
  run: (fault: Fault) => Promise<Verdict>,
  words: readonly string[],
): Promise<number> {
  const startedAt = new Date();
  const faults = all.filter(({ name, victim = "" }) =>
    words.every((word) => `${name} ${victim}`.includes(word)),
  );
  const verdicts: Verdict[] = [];
  for (const fault of faults) {
    console.log(`${new Date().toISOString()} ${fault.name} ${fault.victim ?? ""}`);
    try {
      verdicts.push(await run(fault));
    } catch (error) {
      // The others are worth knowing of all the same.
      console.log(`  BROKEN: ${(error as Error).message}`);
    }
  }
  console.log(`\n${table(verdicts)}`);
  const isKept = verdicts.length === faults.length && verdicts.every(({ broken }) => broken.length === 0);
  if (words.length === 0)
    write(matrix, { startedAt, endedAt: new Date(), machine: machineFacts(), isKept, verdicts });
  return isKept && faults.length > 0 ? 0 : 1;
}

function write(
  matrix: string,
  result: { readonly startedAt: Date; readonly [field: string]: unknown },
): void {
  const folder = join(import.meta.dirname, "../../bench/results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${matrix}-${result.startedAt.toISOString().replaceAll(/[:.]/g, "-")}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`written to ${file}`);
}

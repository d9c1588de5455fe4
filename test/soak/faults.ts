// The whole fault matrices, on both engines: `npm run soak -- faults` directly, `npm run soak -- haproxy` behind HAProxy; other
// words choose faults by their name.

import { type Case, faultsOf, wholeDurations } from "../faults/cases.ts";
import { proxiedNodeFaults, proxiedRedisFaults, proxyFaults, runProxied } from "../faults/proxied-cases.ts";
import { runFault } from "../faults/run.ts";
import { table, type Verdict } from "../faults/verdict.ts";
import { writeResult } from "./result.ts";

/** Answers the exit code: 0 where every promise was kept. */
export function soakFaults(words: readonly string[]): Promise<number> {
  return soak("faults", faultsOf(wholeDurations), runFault, words);
}

export function soakHaproxy(words: readonly string[]): Promise<number> {
  const whole = [...proxiedRedisFaults(wholeDurations), ...proxiedNodeFaults(wholeDurations)];
  return soak("haproxy", [...proxyFaults, ...whole], runProxied, words);
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
  if (words.length === 0) writeResult(matrix, startedAt, { isKept, verdicts });
  return isKept && faults.length > 0 ? 0 : 1;
}

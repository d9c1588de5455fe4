// Where the long tests leave what they found, beside the benchmarks' results; knows nothing of what it is.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineFacts } from "../../bench/measure/machine.ts";

export function writeResult(soak: string, startedAt: Date, found: object): void {
  const folder = join(import.meta.dirname, "../../bench/results");
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${soak}-${startedAt.toISOString().replaceAll(/[:.]/g, "-")}.json`);
  const result = { startedAt, endedAt: new Date(), machine: machineFacts(), ...found };
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  console.log(`written to ${file}`);
}

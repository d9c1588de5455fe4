// Entry of the long tests: `npm run soak -- simulation`, `… mutants`, `… faults`, `… haproxy`.

import { soakFaults, soakHaproxy } from "./faults.ts";
import { soakMutants } from "./mutants.ts";
import { soakSimulation } from "./simulation.ts";

const soaks: Record<string, (words: readonly string[]) => Promise<number>> = {
  simulation: soakSimulation,
  mutants: soakMutants,
  faults: soakFaults,
  haproxy: soakHaproxy,
};

const [name = "", ...words] = process.argv.slice(2);
const soak = soaks[name];
if (!soak) console.error(`usage: npm run soak -- ${Object.keys(soaks).join(" | ")}`);
process.exit(soak ? await soak(words) : 1);

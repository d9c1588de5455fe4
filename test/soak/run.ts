// Entry of the long tests: `npm run soak -- simulation`, and the other names below.

import { soakAffinity } from "./affinity.ts";
import { soakClients } from "./clients.ts";
import { soakDisconnects } from "./disconnects.ts";
import { soakFaults, soakHaproxy } from "./faults.ts";
import { soakMutants } from "./mutants.ts";
import { soakSimulation } from "./simulation.ts";
import { soakStorm } from "./storm.ts";

const soaks: Record<string, (words: readonly string[]) => Promise<number>> = {
  simulation: soakSimulation,
  mutants: soakMutants,
  faults: soakFaults,
  haproxy: soakHaproxy,
  clients: soakClients,
  storm: soakStorm,
  disconnects: soakDisconnects,
  affinity: soakAffinity,
};

const [name = "", ...words] = process.argv.slice(2);
const soak = soaks[name];
if (!soak) console.error(`usage: npm run soak -- ${Object.keys(soaks).join(" | ")}`);
process.exit(soak ? await soak(words) : 1);

// Minutes of accidents under real clients of several runtimes: `npm run soak -- clients [--minutes 5] [--clients 200]
// [--readers 30] [--seed 1]`.

import type { Runtime } from "../fleet/crew.ts";
import { type OrdealResult, runOrdeal } from "../fleet/ordeal.ts";
import { told } from "./facts.ts";
import { writeResult } from "./result.ts";
import { numbersOf } from "./words.ts";

const options = { minutes: 5, clients: 200, readers: 30, seed: 1 };
/** Each has as many of the clients. */
const runtimes: readonly Runtime[] = ["Bun", "Node.js 22", "Deno", "Bun", "Node.js 22", "Deno", "Chromium"];
/** Longer than clients and nodes take to notice that something is silent. */
const longestMs = 8_000;
const publishEveryMs = 2_000;

/** Answers the exit code: 0 where every promise was kept. */
export async function soakClients(words: readonly string[]): Promise<number> {
  const { minutes, clients, readers, seed } = numbersOf(words, options);
  const startedAt = new Date();
  const say = (what: string) => console.log(`${new Date().toISOString()} ${what}`);
  const durationMs = minutes * 60_000;
  const result = await runOrdeal({
    clients,
    readers,
    runtimes,
    durationMs,
    longestMs,
    publishEveryMs,
    seed,
    say,
  });
  console.log(`\n${described(result)}`);
  writeResult("clients", startedAt, { minutes, clients, readers, runtimes, seed, ...result });
  return result.broken.length === 0 ? 0 : 1;
}

export function described(result: OrdealResult): string {
  const { acknowledged, deliveries, lost, announced, doubled, disordered, outages, broken } = result;
  const [p50, p99, most] = result.outageMs;
  const rows = {
    accidents: Object.entries(result.accidents)
      .map(([name, count]) => `${count} × ${name}`)
      .join(", "),
    ...{ acknowledged, deliveries, lost, "missing, announced": announced, doubled, disordered },
    "resets per client and topic": `${result.resets.join("–")} (Redis started anew ${result.redisRestarts} times)`,
    ...Object.fromEntries(
      Object.entries(result.kinds).map(([kind, { clients, outages, deliveries }]) => [
        kind,
        `${clients} clients, ${deliveries} deliveries, ${outages} connections lost`,
      ]),
    ),
    "connections lost": outages,
    "back and up to date after": `${p50} ms at p50, ${p99} ms at p99, ${most} ms at most`,
  };
  return told(rows, broken);
}

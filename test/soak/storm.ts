// A reconnect storm: a node with 5,000 connections is killed, and its clients come back on the two others with their real back-off:
// `npm run soak -- storm [haproxy] [--clients 5000] [--processes 4]`; with `haproxy` through one.

import { lateMs } from "../fleet/member.ts";
import { type Entrance, runStorm, type StormResult } from "../fleet/storm.ts";
import { told } from "./facts.ts";
import { writeResult } from "./result.ts";
import { numbersOf } from "./words.ts";

const options = { clients: 5000, processes: 4 };
const plan = {
  ...{ rooms: 100, publishEveryMs: 50_000, calmMs: 3_000, watchedMs: 12_000 },
  boundsMs: { half: 2_000, all: 10_000 },
};

/** Answers the exit code: 0 where all were back in time and nothing was lost. */
export async function soakStorm(words: readonly string[]): Promise<number> {
  const entrance: Entrance = words[0] === "haproxy" ? "haproxy" : "direct";
  const { clients, processes } = numbersOf(entrance === "haproxy" ? words.slice(1) : words, options);
  const startedAt = new Date();
  const result = await runStorm({ ...plan, entrance, clients, processes });
  console.log(described(result));
  writeResult(entrance === "haproxy" ? "storm-haproxy" : "storm", startedAt, { clients, ...result });
  return result.broken.length === 0 ? 0 : 1;
}

export function described({ half, p99, all, deliveryP99, peaks, asked, broken }: StormResult): string {
  const shares = Object.entries(peaks).map(([name, share]) => `${name} ${(share * 100).toFixed(0)} %`);
  const rows = {
    "back and up to date": `50 % after ${half} ms, 99 % after ${p99} ms, all after ${all} ms`,
    "deliveries, all in all": `${deliveryP99 <= lateMs ? `≤ ${lateMs}` : deliveryP99} ms at p99`,
    "peak CPU in 250 ms": shares.join(", "),
    ...Object.fromEntries(Object.entries(asked).filter(([, count]) => count > 0)),
  };
  return told(rows, broken);
}

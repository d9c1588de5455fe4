// A reconnect storm: a node with 5,000 connections is killed, and its clients come back on the two others with their real back-off:
// `npm run soak -- storm [--clients 5000] [--processes 4]`.

import { readCpu, readMachine } from "../../bench/measure/cpu.ts";
import { Fleet } from "../fleet/fleet.ts";
import { judge, outageLengths, quantile } from "../fleet/judgement.ts";
import { Node } from "../fleet/node.ts";
import { RedisServer } from "../support/redis-server.ts";
import { Scrape } from "../support/scrape.ts";
import { told } from "./facts.ts";
import { writeResult } from "./result.ts";
import { numbersOf } from "./words.ts";

const options = { clients: 5000, processes: 4 };
const bounds = { half: 2_000, all: 10_000 };
/** A little of it before, so that there is something to be behind of, and enough after. */
const calmMs = 3_000;
const watchedMs = 12_000;
const sampleMs = 250;
const publishEveryMs = 50_000;
const rooms = 100;

/** Answers the exit code: 0 where all were back in time and nothing was lost. */
export async function soakStorm(words: readonly string[]): Promise<number> {
  const { clients, processes } = numbersOf(words, options);
  const startedAt = new Date();
  await using redis = await RedisServer.start();
  await using victim = await Node.start("uws", redis.url);
  await using bun = await Node.start("bun", redis.url);
  await using uws = await Node.start("uws", redis.url);
  const others = [bun, uws];
  const runtimes = Array.from({ length: processes }, () => "Bun" as const);
  // The first try goes to the victim. Which of the others is next is chance, as with a balancer.
  const orders = [
    [victim.port, bun.port, uws.port],
    [victim.port, uws.port, bun.port],
  ];
  const portsOf = (index: number) => orders[Math.floor(index / processes) % orders.length]!;
  await using fleet = await Fleet.start({
    clients,
    runtimes,
    rooms,
    roomsPerClient: 1,
    publishEveryMs,
    portsOf,
  });
  await fleet.begin();
  await pause(calmMs);
  const before = await asked(redis, others);
  await victim.kill();
  const peaks = await watch(others);
  const after = await asked(redis, others);
  const { reports, stragglers } = await fleet.end();
  const judgement = judge(reports, 0);
  const lengths = outageLengths(reports.flatMap(({ members }) => members));
  const [half, all] = [quantile(lengths, 0.5), lengths.at(-1) ?? Number.POSITIVE_INFINITY];
  const broken = [
    ...judgement.broken,
    ...(stragglers > 0 ? [`${stragglers} clients have not arrived`] : []),
    ...(lengths.length < clients ? [`only ${lengths.length} clients were on the node that died`] : []),
    ...(half > bounds.half ? [`half were back after ${half} ms, not ${bounds.half}`] : []),
    ...(all > bounds.all ? [`all were back after ${all} ms, not ${bounds.all}`] : []),
  ];
  const more = Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  );
  const rows = {
    "back and up to date": `50 % after ${half} ms, 99 % after ${quantile(lengths, 0.99)} ms, all after ${all} ms`,
    "peak CPU in 250 ms": `${peaks.map((peak, at) => `${others[at]?.engine ?? "machine"} ${percent(peak)}`).join(", ")}`,
    ...Object.fromEntries(Object.entries(more).filter(([, count]) => count > 0)),
  };
  console.log(told(rows, broken));
  writeResult("storm", startedAt, { clients, ...judgement, half, all, peaks, asked: more, broken });
  return broken.length === 0 ? 0 : 1;
}

/** What Redis has been asked since it began, by command; and how the nodes served those who came with a position. */
async function asked(redis: RedisServer, nodes: readonly Node[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const stats = await redis.command("info", "commandstats");
  for (const [, name, calls] of stats.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)) {
    counts[`Redis ${name}`] = Number(calls);
  }
  for (const node of nodes) {
    const scrape = new Scrape(await node.metrics());
    for (const outcome of ["ring", "history", "reset"]) {
      const name = `recovered from ${outcome}`;
      counts[name] = (counts[name] ?? 0) + scrape.sum("fanwire_recoveries_total", { outcome });
    }
  }
  return counts;
}

/** The largest share of a core that each node took in any interval, and of all cores that the machine did. */
async function watch(nodes: readonly Node[]): Promise<readonly number[]> {
  const peaks = [...nodes, "machine"].map(() => 0);
  const endMs = performance.now() + watchedMs;
  let last = taken(nodes);
  while (performance.now() < endMs) {
    await pause(sampleMs);
    const now = taken(nodes);
    now.ns.forEach((ns, at) => {
      peaks[at] = Math.max(peaks[at]!, (ns - last.ns[at]!) / (now.atNs - last.atNs));
    });
    last = now;
  }
  return peaks;
}

function taken(nodes: readonly Node[]): { readonly atNs: number; readonly ns: readonly number[] } {
  const own = nodes.map(({ pid }) => [...readCpu(pid).threads.values()].reduce((sum, ns) => sum + ns, 0));
  return { atNs: performance.now() * 1e6, ns: [...own, readMachine().busyNs] };
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

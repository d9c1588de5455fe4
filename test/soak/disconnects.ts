// Forced disconnects: each of some 200 connections is cut every 15 s or so and away for up to 2 s: `npm run soak -- disconnects
// [--minutes 10] [--clients 200] [--seed 1]`.

import { Fleet } from "../fleet/fleet.ts";
import { Interruptions } from "../fleet/interruptions.ts";
import { judge, p99Of, quantile } from "../fleet/judgement.ts";
import { lateMs } from "../fleet/member.ts";
import { Node } from "../fleet/node.ts";
import { RedisServer } from "../support/redis-server.ts";
import { told } from "./facts.ts";
import { writeResult } from "./result.ts";
import { numbersOf } from "./words.ts";

const options = { minutes: 10, clients: 200, seed: 1 };
const everyMs = 15_000;
const longestMs = 2_000;
/** What a delivery may take beyond the time that its way was cut, at 99 %. */
const boundMs = 1_000;

/** Answers the exit code: 0 where every promise was kept. */
export async function soakDisconnects(words: readonly string[]): Promise<number> {
  const { minutes, clients, seed } = numbersOf(words, options);
  const startedAt = new Date();
  await using redis = await RedisServer.start();
  await using bun = await Node.start("bun", redis.url);
  await using uws = await Node.start("uws", redis.url);
  const nodes = [bun, uws];
  await using ways = await Interruptions.to(
    Array.from({ length: clients }, (_, index) => nodes[index % nodes.length]!.port),
    { everyMs, longestMs, seed },
  );
  const plan = { clients, rooms: 10, roomsPerClient: 2, publishEveryMs: 2_000 };
  const runtimes = ["Bun", "Node.js 22"] as const;
  await using fleet = await Fleet.start({ ...plan, runtimes, portsOf: (index) => [ways.ports[index]!] });
  await fleet.begin();
  await ways.run(minutes * 60_000);
  const { reports, stragglers } = await fleet.end();
  const judgement = judge(reports, 0);
  const late = reports
    .flatMap(({ members }) => members)
    .flatMap(({ name, late }) => late.map(([from, to]) => to - from - ways.awayMs(indexOf(name), from, to)))
    .sort((one, other) => one - other);
  const p99Ms = p99Of(late, judgement.deliveries);
  const owed = judgement.deliveries + judgement.lost;
  const broken = [
    ...judgement.broken,
    ...(stragglers > 0 ? [`${stragglers} clients have not arrived`] : []),
    ...(p99Ms > boundMs ? [`${p99Ms} ms beyond the time away at p99 are more than ${boundMs}`] : []),
  ];
  const { acknowledged, deliveries, outages, outageMs } = judgement;
  const rows = {
    ...{ acknowledged, deliveries, cuts: ways.cuts, "connections lost": outages },
    "time away": `${quantile(ways.lengths, 0.5)} ms at p50, ${ways.lengths.at(-1)} ms at most`,
    "back and up to date after": `${outageMs[0]} ms at p50, ${outageMs[1]} ms at p99, ${outageMs[2]} ms at most`,
    delivered: `${((100 * deliveries) / owed).toFixed(3)} %`,
    "latency beyond the time away": `${p99Ms <= lateMs ? `≤ ${lateMs}` : p99Ms} ms at p99, ${late.at(-1) ?? 0} ms at most`,
  };
  console.log(told(rows, broken));
  writeResult("disconnects", startedAt, {
    minutes,
    clients,
    seed,
    ...judgement,
    cuts: ways.cuts,
    p99Ms,
    broken,
  });
  return broken.length === 0 ? 0 : 1;
}

function indexOf(name: string): number {
  return Number(name.replace("client-", ""));
}

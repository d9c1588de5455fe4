// Clients of all runtimes on three nodes of both engines and a Redis that loses nothing, all of which die, sleep and come back.

import { durable } from "../faults/cluster.ts";
import { Random } from "../support/random.ts";
import { RedisServer } from "../support/redis-server.ts";
import { Chaos } from "./chaos.ts";
import type { Runtime } from "./crew.ts";
import { Fleet } from "./fleet.ts";
import type { GroupReport } from "./group.ts";
import { type Judgement, judge } from "./judgement.ts";
import { Node } from "./node.ts";

export interface OrdealOptions {
  readonly clients: number;
  /** How many more only listen, by server-sent events. */
  readonly readers: number;
  readonly runtimes: readonly Runtime[];
  readonly durationMs: number;
  /** How long something is paused or down at most. */
  readonly longestMs: number;
  readonly publishEveryMs: number;
  readonly seed: number;
  readonly say: (what: string) => void;
}

export interface OrdealResult extends Judgement {
  readonly accidents: Readonly<Record<string, number>>;
  readonly redisRestarts: number;
  /** How many clients there were of each kind, how often they lost their connection, and what was delivered to them. */
  readonly kinds: Readonly<Record<string, Kind>>;
}

interface Kind {
  clients: number;
  outages: number;
  deliveries: number;
}

/** Less than by default, so that pauses of seconds are noticed too. */
const patience = { heartbeatMs: 3_000, heartbeatTimeoutMs: 2_000, connectTimeoutMs: 3_000 };
const rooms = 10;
const roomsPerClient = 2;

export async function runOrdeal(options: OrdealOptions): Promise<OrdealResult> {
  const { clients, readers, runtimes, publishEveryMs, durationMs, longestMs, seed, say } = options;
  await using redis = await RedisServer.start({ directives: durable });
  await using one = await Node.start("bun", redis.url);
  await using two = await Node.start("uws", redis.url);
  await using three = await Node.start("bun", redis.url);
  const nodes = [one, two, three];
  const ports = nodes.map(({ port }) => port);
  const portsOf = (index: number) => ports.map((_, at) => ports[(index + at) % ports.length]!);
  const plan = { clients, readers, runtimes, rooms, roomsPerClient, publishEveryMs };
  await using fleet = await Fleet.start({ ...plan, portsOf, patience });
  await fleet.begin();
  const randoms = { nodes: new Random(seed), redis: new Random(seed + 1) };
  const chaos = new Chaos({ nodes, redis, randoms, durationMs, longestMs, say });
  await chaos.run();
  const { reports, stragglers } = await fleet.end();
  const judgement = judge(reports, chaos.redisRestarts);
  const broken = [
    ...judgement.broken,
    ...(stragglers > 0 ? [`${stragglers} clients have not arrived`] : []),
    ...nodes.flatMap(({ complaints }) => complaints.slice(0, 5)),
  ];
  const { counts, redisRestarts } = chaos;
  return { ...judgement, broken, accidents: counts, redisRestarts, kinds: kindsOf(reports, runtimes) };
}

/** There is a report for each of the runtimes; who reads event streams is a kind of its own, wherever it runs. */
function kindsOf(reports: readonly GroupReport[], runtimes: readonly Runtime[]): Record<string, Kind> {
  const kinds: Record<string, Kind> = {};
  reports.forEach(({ members }, at) => {
    for (const { name, outages, deliveries } of members) {
      const what = `${runtimes[at]}${name.startsWith("reader-") ? ", server-sent events" : ""}`;
      kinds[what] ??= { clients: 0, outages: 0, deliveries: 0 };
      kinds[what].clients += 1;
      kinds[what].outages += outages.length;
      kinds[what].deliveries += deliveries;
    }
  });
  return kinds;
}

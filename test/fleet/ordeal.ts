// Clients of all runtimes on three nodes of both engines and a Redis that loses nothing, all of which die, sleep and come back.

import { durable } from "../faults/cluster.ts";
import { Random } from "../support/random.ts";
import { RedisServer } from "../support/redis-server.ts";
import { Chaos } from "./chaos.ts";
import type { Runtime } from "./crew.ts";
import { Fleet } from "./fleet.ts";
import { type Judgement, judge } from "./judgement.ts";
import { Node } from "./node.ts";

export interface OrdealOptions {
  readonly clients: number;
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
}

/** Less than by default, so that pauses of seconds are noticed too. */
const patience = { heartbeatMs: 3_000, heartbeatTimeoutMs: 2_000, connectTimeoutMs: 3_000 };
const rooms = 10;
const roomsPerClient = 2;

export async function runOrdeal(options: OrdealOptions): Promise<OrdealResult> {
  const { clients, runtimes, publishEveryMs, durationMs, longestMs, seed, say } = options;
  await using redis = await RedisServer.start({ directives: durable });
  await using one = await Node.start("bun", redis.url);
  await using two = await Node.start("uws", redis.url);
  await using three = await Node.start("bun", redis.url);
  const nodes = [one, two, three];
  const ports = nodes.map(({ port }) => port);
  const portsOf = (index: number) => ports.map((_, at) => ports[(index + at) % ports.length]!);
  const plan = { clients, runtimes, rooms, roomsPerClient, publishEveryMs };
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
  return { ...judgement, broken, accidents: chaos.counts, redisRestarts: chaos.redisRestarts };
}

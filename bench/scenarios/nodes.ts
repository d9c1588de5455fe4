// Benchmark `nodes`: ten thousand subscribers over two and three nodes and one Redis, publications from every node at once: every delivery
// is counted and put in order. One node in memory is the control.

import type { AudienceMode } from "../client/audience.ts";
import type { AudienceRecord, JoinRecord } from "../client/audience-group.ts";
import { type AudienceProcess, startAudience } from "../client/audience-process.ts";
import { Connection } from "../client/connection.ts";
import { pace } from "../client/pace.ts";
import { clientFrame } from "../client/payload.ts";
import { sharedClockOffsetNs } from "../measure/clock.ts";
import { type CpuSnapshot, cpuBetween, readCpu, readMachine } from "../measure/cpu.ts";
import type { Histogram } from "../measure/histogram.ts";
import { jitteredSchedule } from "../measure/schedule.ts";
import type { RunSettings } from "../settings.ts";
import { type RedisProcess, startRedis } from "../targets/redis.ts";
import { type EngineName, type ServerProcess, startServer } from "../targets/servers.ts";

export interface NodesPlan {
  readonly nodeCounts: readonly number[];
  readonly subscribers: number;
  /** In how many processes. */
  readonly groups: number;
  /** Publications of each mode, of all nodes together. */
  readonly ratePerSecond: number;
  readonly seconds: number;
  readonly graceMs: number;
}

export const nodesPlanOf = (settings: RunSettings): NodesPlan => ({
  nodeCounts: [1, 2, 3],
  ratePerSecond: 2,
  ...(settings.quick
    ? { subscribers: 60, groups: 2, seconds: 3, graceMs: 3000 }
    : { subscribers: 10_000, groups: 3, seconds: 60, graceMs: 20_000 }),
});

export const modes = ["stream", "volatile"] as const;
export const topics = { stream: "room:nodes", volatile: "game:nodes" } as const;
const text = "x".repeat(36);

/** Nodes' engines alternate. One node works in memory. */
export const enginesOf = (nodes: number, engines: readonly EngineName[]): readonly EngineName[] =>
  Array.from({ length: nodes }, (_, i) => engines[i % engines.length] as EngineName);

export interface NodesRun {
  readonly engines: readonly EngineName[];
  readonly plan: NodesPlan;
  readonly redisVersion: string | undefined;
  /** Publications of each mode. */
  readonly planned: number;
  readonly published: number;
  readonly joins: readonly JoinRecord[];
  /** From the first handshake to the last `ok`. */
  readonly joinMs: number;
  readonly records: readonly AudienceRecord[];
  readonly lateness: Histogram;
  /** Nanoseconds while publications were made and delivered. */
  readonly nodeNs: readonly number[];
  readonly redisNs: number;
  readonly generatorNs: number;
  readonly foreignNs: number;
  readonly stealNs: number;
  readonly wallNs: number;
}

/** Sends one publication of each mode, and numbers them. */
class Publisher {
  readonly #connection: Connection;
  readonly #place: number;
  readonly #clockOffsetNs: number;
  #number = 0;

  constructor(connection: Connection, place: number, clockOffsetNs: number) {
    this.#connection = connection;
    this.#place = place;
    this.#clockOffsetNs = clockOffsetNs;
  }

  publish(): void {
    const number = this.#number++;
    for (const mode of modes) {
      const sentAtNs = Math.round(Bun.nanoseconds() + this.#clockOffsetNs);
      const data = { publisher: this.#place, number, sentAtNs, text };
      this.#connection.write(clientFrame("json", { type: "publish", topic: topics[mode], data }));
    }
  }
}

async function run(engines: readonly EngineName[], settings: RunSettings): Promise<NodesRun> {
  const plan = nodesPlanOf(settings);
  const redis = engines.length > 1 ? await startRedis() : undefined;
  const limits = { maxConnectionsPerAddress: 100_000 };
  const nodes: ServerProcess[] = [];
  for (const engine of engines) {
    const where = redis === undefined ? {} : { redisUrl: redis.url };
    nodes.push(await startServer("fanwire", engine, { limits, ...where }));
  }
  const joinedAt = Bun.nanoseconds();
  const audiences = gather(nodes, plan);
  const joins = await Promise.all(audiences.map(({ joined }) => joined));
  const joinMs = (Bun.nanoseconds() - joinedAt) / 1e6;
  const clockOffsetNs = sharedClockOffsetNs();
  const publishers = await Promise.all(
    nodes.map(async ({ port }, place) => {
      const target = { port, format: "json", query: "?join=none" } as const;
      return new Publisher(await Connection.open(target), place, clockOffsetNs);
    }),
  );
  if (!settings.quick) await Bun.sleep(2000);
  const published = await publish(publishers, nodes, redis, audiences, plan, settings.seed);
  for (const node of nodes) await node.stop();
  await redis?.stop();
  return { engines, plan, redisVersion: redis?.version, joins, joinMs, ...published };
}

/** Subscribers come from an address for each process: one has ports for some 28,000 connections to a server. */
function gather(nodes: readonly ServerProcess[], plan: NodesPlan): readonly AudienceProcess[] {
  return Array.from({ length: plan.groups }, (_, i) =>
    startAudience({
      ports: nodes.map(({ port }) => port),
      subscribers: sizeOf(plan, i),
      publishers: nodes.length,
      topics,
      source: `127.0.0.${10 + i}`,
      graceMs: plan.graceMs,
    }),
  );
}

/** How many subscribers a process has. */
export function sizeOf({ subscribers, groups }: NodesPlan, group: number): number {
  return Math.floor(subscribers / groups) + (group < subscribers % groups ? 1 : 0);
}

/** At each of its times every node's publisher sends at once: who comes first is decided in Redis. */
async function publish(
  publishers: readonly Publisher[],
  nodes: readonly ServerProcess[],
  redis: RedisProcess | undefined,
  audiences: readonly AudienceProcess[],
  plan: NodesPlan,
  seed: number,
): Promise<Omit<NodesRun, "engines" | "plan" | "redisVersion" | "joins" | "joinMs">> {
  const schedule = jitteredSchedule({
    ratePerSecond: plan.ratePerSecond / publishers.length,
    durationMs: plan.seconds * 1000,
    seed,
  });
  const pids = [...nodes, ...audiences, ...(redis ? [redis] : [])].map(({ pid }) => pid);
  const all = [...pids, process.pid];
  const before = { at: Bun.nanoseconds(), machine: readMachine(), cpu: all.map(readCpu) };
  const { sent, lateness } = await pace(schedule, () => {
    for (const publisher of publishers) publisher.publish();
  });
  const published = sent * publishers.length;
  // A process ends with its answer, and its CPU time cannot be read any more.
  const expectedOf = (group: number): Record<AudienceMode, number> => {
    const deliveries = published * sizeOf(plan, group);
    return { stream: deliveries, volatile: deliveries };
  };
  await Bun.sleep(500);
  const used = all.map((pid, i) => cpuBetween(before.cpu[i] as CpuSnapshot, readCpu(pid)).ns);
  const after = { at: Bun.nanoseconds(), machine: readMachine() };
  const records = await Promise.all(audiences.map((one, group) => one.finish(expectedOf(group))));
  const nodeNs = used.slice(0, nodes.length);
  const generatorNs = [...used.slice(nodes.length, nodes.length + audiences.length), used.at(-1) ?? 0];
  const usedNs = used.reduce((sum, ns) => sum + ns, 0);
  return {
    planned: schedule.length * publishers.length,
    published,
    records,
    lateness,
    nodeNs,
    redisNs: redis ? (used.at(-2) ?? 0) : 0,
    generatorNs: generatorNs.reduce((sum, ns) => sum + ns, 0),
    foreignNs: Math.max(0, after.machine.busyNs - before.machine.busyNs - usedNs),
    stealNs: after.machine.stealNs - before.machine.stealNs,
    wallNs: after.at - before.at,
  };
}

export async function* nodes(settings: RunSettings): AsyncGenerator<NodesRun> {
  for (const count of nodesPlanOf(settings).nodeCounts) {
    yield await run(enginesOf(count, settings.engines), settings);
  }
}

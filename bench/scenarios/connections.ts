// Benchmark `connections`: what idle connections weigh in node, proxy and kernel, and how long it takes to connect them: 8,000 through
// HAProxy to one node, and 100,000 directly to as many nodes as the limit of files asks for, over one Redis.

import { readFileSync } from "node:fs";
import { openMany } from "../client/connection.ts";
import type { OpenedRecord } from "../client/idle-group.ts";
import { type IdleProcess, startIdle } from "../client/idle-process.ts";
import { type CpuSnapshot, cpuBetween, readCpu } from "../measure/cpu.ts";
import { type Footprint, type KernelMemory, readFootprint, readKernel } from "../measure/footprint.ts";
import type { RunSettings } from "../settings.ts";
import { type ProxyProcess, startProxy } from "../targets/haproxy.ts";
import { type ProbedServer, startProbed } from "../targets/probed.ts";
import { type RedisProcess, startRedis } from "../targets/redis.ts";
import type { EngineName } from "../targets/servers.ts";

export interface ConnectionsPlan {
  /** Proxied connections at each step, ascending. */
  readonly ladder: readonly number[];
  /** Direct ones, all together. */
  readonly direct: number;
  readonly perProcess: number;
  /** Made and cut at each node before anything is read, so that code is compiled. */
  readonly warmUp: number;
  readonly settleMs: number;
  /** Of rest with all direct connections: heartbeats come every 25 s. */
  readonly restSeconds: number;
}

/** A process needs files for its own use, and the generator's for its standard library. */
const spareFiles = 3000;

export const connectionsPlanOf = (settings: RunSettings): ConnectionsPlan =>
  settings.quick
    ? { ladder: [100, 300], direct: 600, perProcess: 200, warmUp: 64, settleMs: 300, restSeconds: 1 }
    : {
        ladder: [1000, 4000, 8000],
        direct: 100_000,
        perProcess: filesPerProcess() - spareFiles,
        warmUp: 1024,
        settleMs: 1500,
        restSeconds: 25,
      };

function filesPerProcess(): number {
  return Number(/^Max open files +\d+ +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1]);
}

/** How many connections each process has. */
export function sharesOf(connections: number, perProcess: number): readonly number[] {
  const processes = Math.ceil(connections / perProcess);
  return Array.from(
    { length: processes },
    (_, index) => Math.floor(connections / processes) + (index < connections % processes ? 1 : 0),
  );
}

export interface ConnectionsStep {
  readonly connections: number;
  /** All nodes together. */
  readonly nodes: Footprint;
  readonly proxy?: Footprint;
  readonly redis?: Footprint;
  readonly kernel: KernelMemory;
}

/** Connections of one kind, step by step from none on. */
export interface Climb {
  readonly kind: "proxied" | "direct";
  readonly engine: EngineName;
  readonly nodes: number;
  readonly steps: readonly ConnectionsStep[];
  /** Of the processes that connected, in their order. */
  readonly opened: readonly OpenedRecord[];
  readonly cut: number;
  /** Of all nodes, and of Redis, while nothing happened but heartbeats. */
  readonly rest?: { readonly wallNs: number; readonly nodesNs: number; readonly redisNs: number };
}

/** Topics are let go of at once, so that what the warm-up left does not go meanwhile. */
const limits = { topicLingerMs: 0 };
const lingerMs = 2500;
const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

const warmUpSource = "127.0.0.2";
/** Of a process of connections: so each has a thousand or two. */
const sourcesOf = (index: number): readonly string[] =>
  Array.from({ length: 16 }, (_, place) => `127.0.${10 + index}.${1 + place}`);

async function warmedUp(
  engine: EngineName,
  plan: ConnectionsPlan,
  redis?: RedisProcess,
): Promise<ProbedServer> {
  const environment = redis === undefined ? {} : { FANWIRE_REDIS_URL: redis.url };
  const node = await startProbed("fanwire", engine, { limits, environment });
  const made = await openMany({ port: node.port, format: "json", source: warmUpSource }, plan.warmUp);
  for (const connection of made) connection.cut();
  return node;
}

async function read(
  connections: number,
  nodes: readonly ProbedServer[],
  beside: { readonly proxy?: ProxyProcess; readonly redis?: RedisProcess },
): Promise<ConnectionsStep> {
  // For the sake of the collection of garbage.
  for (const node of nodes) await node.memory();
  const each = nodes.map(({ pid }) => readFootprint(pid));
  return {
    connections,
    nodes: {
      rss: each.reduce((sum, { rss }) => sum + rss, 0),
      pss: each.reduce((sum, { pss }) => sum + pss, 0),
    },
    ...(beside.proxy && { proxy: readFootprint(beside.proxy.pid) }),
    ...(beside.redis && { redis: readFootprint(beside.redis.pid) }),
    kernel: readKernel(),
  };
}

async function proxied(engine: EngineName, plan: ConnectionsPlan): Promise<Climb> {
  const node = await warmedUp(engine, plan);
  const most = plan.ladder.at(-1) as number;
  const proxy = await startProxy([node.port], { maxConnections: most + 100 });
  for (const connection of await openMany({ port: proxy.port, format: "json" }, plan.warmUp))
    connection.cut();
  await pause(lingerMs);
  const steps = [await read(0, [node], { proxy })];
  const groups: IdleProcess[] = [];
  const opened: OpenedRecord[] = [];
  let connections = 0;
  for (const [index, wanted] of plan.ladder.entries()) {
    const more = { port: proxy.port, connections: wanted - connections, sources: sourcesOf(index) };
    connections = wanted;
    const group = startIdle(more);
    groups.push(group);
    opened.push(await group.opened);
    await pause(plan.settleMs);
    steps.push(await read(connections, [node], { proxy }));
  }
  const cut = await finish(groups);
  await proxy.stop();
  await node.stop();
  return { kind: "proxied", engine, nodes: 1, steps, opened, cut };
}

async function direct(engine: EngineName, plan: ConnectionsPlan): Promise<Climb> {
  const redis = await startRedis();
  const shares = sharesOf(plan.direct, plan.perProcess);
  const nodes: ProbedServer[] = [];
  for (const _ of shares) nodes.push(await warmedUp(engine, plan, redis));
  await pause(lingerMs);
  const steps = [await read(0, nodes, { redis })];
  const groups: IdleProcess[] = [];
  const opened: OpenedRecord[] = [];
  let connections = 0;
  for (const [index, share] of shares.entries()) {
    const { port } = nodes[index] as ProbedServer;
    const group = startIdle({ port, connections: share, sources: sourcesOf(index) });
    groups.push(group);
    opened.push(await group.opened);
    connections += share;
    await pause(plan.settleMs);
    steps.push(await read(connections, nodes, { redis }));
  }
  const rest = await atRest(nodes, redis, plan.restSeconds);
  const cut = await finish(groups);
  for (const node of nodes) await node.stop();
  await redis.stop();
  return { kind: "direct", engine, nodes: nodes.length, steps, opened, cut, rest };
}

async function atRest(
  nodes: readonly ProbedServer[],
  redis: RedisProcess,
  seconds: number,
): Promise<NonNullable<Climb["rest"]>> {
  const pids = [...nodes.map(({ pid }) => pid), redis.pid];
  const before = { at: Bun.nanoseconds(), cpu: pids.map(readCpu) };
  await pause(seconds * 1000);
  const used = pids.map((pid, index) => cpuBetween(before.cpu[index] as CpuSnapshot, readCpu(pid)).ns);
  return {
    wallNs: Bun.nanoseconds() - before.at,
    nodesNs: used.slice(0, -1).reduce((sum, ns) => sum + ns, 0),
    redisNs: used.at(-1) ?? 0,
  };
}

/** How many were cut before it was their time. */
async function finish(groups: readonly IdleProcess[]): Promise<number> {
  let cut = 0;
  for (const group of groups) cut += (await group.finish()).cut;
  return cut;
}

export interface ConnectionsComparison {
  readonly plan: ConnectionsPlan;
  readonly climb: Climb;
}

export async function* connections(settings: RunSettings): AsyncGenerator<ConnectionsComparison> {
  const plan = connectionsPlanOf(settings);
  for (const engine of settings.engines) {
    yield { plan, climb: await proxied(engine, plan) };
    yield { plan, climb: await direct(engine, plan) };
  }
}

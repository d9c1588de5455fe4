// Benchmark `memory`: what one idle connection costs in the server's own memory, over what the bare engine needs for a socket on
// as many native topics, and what of it lies in which class.

import { type Connection, openMany } from "../client/connection.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import type { RunSettings } from "../settings.ts";
import { type Census, type Memory, startProbed } from "../targets/probed.ts";
import type { Arm, EngineName } from "../targets/servers.ts";

export interface MemoryPlan {
  readonly rounds: number;
  /** Connections at each step, ascending. */
  readonly ladder: readonly number[];
  readonly settleMs: number;
  /** Connections made and cut before the ladder, a few at a time: code is compiled then, and young generations have their size. */
  readonly warmUp: number;
  /** Between which two numbers of connections the heap is counted by class. */
  readonly census: readonly [number, number];
}

export const memoryPlanOf = (settings: RunSettings): MemoryPlan =>
  settings.quick
    ? { rounds: settings.rounds ?? 1, ladder: [500, 1500], settleMs: 300, warmUp: 256, census: [100, 600] }
    : {
        rounds: settings.rounds ?? 7,
        ladder: [1000, 5000, 10_000, 15_000],
        settleMs: 2000,
        warmUp: 8192,
        census: [500, 4500],
      };

export interface MemoryStep {
  readonly connections: number;
  readonly memory: Memory;
}

/** One server from its start to its end. */
export interface Climb {
  readonly arm: Arm;
  readonly round: number;
  readonly steps: readonly MemoryStep[];
  /** Of all connections, those that were cut before the climb was over. */
  readonly cut: number;
}

export interface ClassShare {
  readonly name: string;
  readonly countPerConnection: number;
  readonly bytesPerConnection: number;
}

export interface MemoryComparison {
  readonly engine: EngineName;
  readonly plan: MemoryPlan;
  readonly climbs: readonly Climb[];
  readonly classes: readonly ClassShare[];
}

/** Topics are let go of at once, so that what the warm-up left does not go while the ladder is climbed. */
const limits = { topicLingerMs: 0, maxConnectionsPerAddress: 100_000 };
const lingerMs = 2500;
const together = 64;

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

async function climb(
  arm: Arm,
  engine: EngineName,
  round: number,
  plan: MemoryPlan,
  format: RunSettings["formats"][number],
): Promise<Climb> {
  const server = await startProbed(arm, engine, { limits });
  const target = { port: server.port, format };
  for (let made = 0; made < plan.warmUp; made += together) {
    for (const connection of await openMany({ ...target, source: "127.0.0.2" }, together)) connection.cut();
  }
  await pause(lingerMs);
  const connections: Connection[] = [];
  const steps: MemoryStep[] = [];
  for (const wanted of plan.ladder) {
    const more = await openMany({ ...target, source: "127.0.0.3" }, wanted - connections.length);
    connections.push(...more);
    await pause(plan.settleMs);
    steps.push({ connections: wanted, memory: await server.memory() });
  }
  const cut = connections.filter((connection) => connection.isClosed).length;
  await server.stop();
  return { arm, round, steps, cut };
}

/** Counted in a server of its own: a heap snapshot needs so much memory that no figure after it can be trusted. */
async function classesOf(
  engine: EngineName,
  [few, many]: MemoryPlan["census"],
  format: RunSettings["formats"][number],
): Promise<ClassShare[]> {
  const server = await startProbed("fanwire", engine, { limits });
  const target = { port: server.port, format };
  await openMany(target, few);
  const before = await server.census();
  await openMany(target, many - few);
  const after = await server.census();
  await server.stop();
  return sharesOf(before, after, many - few);
}

/** What grew between two counts, per connection, the largest first. */
export function sharesOf(before: Census, after: Census, connections: number): ClassShare[] {
  const none = { count: 0, bytes: 0 };
  const shares = Object.entries(after).map(([name, { count, bytes }]) => ({
    name,
    countPerConnection: (count - (before[name] ?? none).count) / connections,
    bytesPerConnection: (bytes - (before[name] ?? none).bytes) / connections,
  }));
  return shares.sort((left, right) => right.bytesPerConnection - left.bytesPerConnection);
}

export async function* memory(settings: RunSettings): AsyncGenerator<MemoryComparison> {
  const plan = memoryPlanOf(settings);
  const random = seededRandom(settings.seed);
  for (const engine of settings.engines) {
    for (const format of settings.formats) {
      const climbs: Climb[] = [];
      for (let round = 1; round <= plan.rounds; round++) {
        for (const arm of shuffled<Arm>(["fanwire", "bare"], random)) {
          climbs.push(await climb(arm, engine, round, plan, format));
        }
      }
      yield { engine, plan, climbs, classes: await classesOf(engine, plan.census, format) };
    }
  }
}

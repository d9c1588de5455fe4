// Benchmark `proxy-hop`: what HAProxy between a node and its subscribers adds to a delivery, in time and in CPU, beside the direct path.

import { Connection, openMany } from "../client/connection.ts";
import { openLivedIn } from "../client/lived-in.ts";
import { type Format, PublishFrames } from "../client/payload.ts";
import { measureAlternating, type WindowResult, WindowTotals } from "../client/window.ts";
import { cpuBetween, readCpu } from "../measure/cpu.ts";
import { alternating, jitteredSchedule } from "../measure/schedule.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import { undisturbed, windowSeed } from "../measure/undisturbed.ts";
import { type Flag, flagsOf } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { type ProxyProcess, startProxy } from "../targets/haproxy.ts";
import { type EngineName, keepAwake, type ServerProcess, startServer } from "../targets/servers.ts";

/**
 * Sizes, publications per second while a path has its turn, and how long that is. Node, proxy and the other node share a core:
 * a publication to 1,000 takes it some 30 ms through the proxy, and half a period lies between two.
 */
export const hopGroups = [
  { subscribers: 1, ratePerSecond: 400, sliceMs: 20, windowMs: 1500 },
  { subscribers: 64, ratePerSecond: 50, sliceMs: 20, windowMs: 1500 },
  { subscribers: 1000, ratePerSecond: 5, sliceMs: 100, windowMs: 2000 },
] as const;
export type HopGroup = (typeof hopGroups)[number];

export const paths = ["direct", "proxied"] as const;
export type Path = (typeof paths)[number];

export interface HopPlan {
  readonly rounds: number;
  /** Of the whole length of a window. */
  readonly share: number;
  readonly hotMs: number;
}

export const proxyHopPlanOf = (settings: RunSettings): HopPlan =>
  settings.quick
    ? { rounds: settings.rounds ?? 1, share: 0.2, hotMs: 300 }
    : { rounds: settings.rounds ?? 9, share: 1, hotMs: 2000 };

const attempts = 4;
const pauseMs = 500;
const textBytes = 36;
const opened = 3;

/**
 * Exempt, because what is compared counts from the moment a publication really left, so that the publisher's lateness is no
 * server's; the publisher waits for nobody.
 */
const exempt = ["publisher-late"];

export interface HopWindow {
  readonly round: number;
  readonly subscribers: number;
  readonly results: Readonly<Record<Path, WindowResult>>;
  /** HAProxy's, while both paths had their turns: only one of them goes through it. */
  readonly proxyNs: number;
  readonly flags: readonly Flag[];
}

export interface HopComparison {
  readonly engine: EngineName;
  readonly format: Format;
  readonly plan: HopPlan;
  readonly proxyVersion: string;
  readonly windows: readonly HopWindow[];
  readonly repeated: number;
  readonly totals: Readonly<Record<Path, ReadonlyMap<number, WindowTotals>>>;
}

const topicOf = ({ subscribers }: HopGroup): string => `room:hop-${subscribers}`;

/** A node, its subscribers, and a publisher that is connected to it directly on both paths. */
interface Side {
  readonly server: ServerProcess;
  readonly publisher: Connection;
  readonly subscribers: ReadonlyMap<HopGroup, readonly Connection[]>;
}

async function gather(server: ServerProcess, port: number, format: Format): Promise<Side> {
  const subscribers = new Map<HopGroup, readonly Connection[]>();
  const query = "?join=none";
  for (const group of hopGroups) {
    const topic = topicOf(group);
    const open = async (count: number) => {
      const connections = await openMany({ port, format, query }, count);
      await Promise.all(connections.map((one) => one.request({ type: "subscribe", topic })));
      return connections;
    };
    subscribers.set(group, await openLivedIn(group.subscribers, open));
  }
  const publisher = await Connection.open({ port: server.port, format, query });
  return { server, publisher, subscribers };
}

async function measure(
  sides: Readonly<Record<Path, Side>>,
  proxy: ProxyProcess,
  group: HopGroup,
  durationMs: number,
  seed: number,
  format: Format,
  spinnerPid: number | undefined,
): Promise<Omit<HopWindow, "round">> {
  const { subscribers, ratePerSecond, sliceMs } = group;
  const schedule = jitteredSchedule({ ratePerSecond, durationMs, seed });
  const before = readCpu(proxy.pid);
  const [direct, proxied] = (await measureAlternating({
    sides: paths.map((path) => ({
      serverPid: sides[path].server.pid,
      publisher: sides[path].publisher,
      subscribers: sides[path].subscribers.get(group) as readonly Connection[],
      frames: new PublishFrames(format, topicOf(group), textBytes),
    })),
    schedule: alternating(schedule, sliceMs, (seed % 2) as 0 | 1),
    besidePids: spinnerPid === undefined ? [proxy.pid] : [proxy.pid, spinnerPid],
    durationMs: 2 * durationMs,
    pacing: { leastGapNs: 0.5e9 / ratePerSecond, isSleepless: true },
  })) as [WindowResult, WindowResult];
  const proxyNs = cpuBetween(before, readCpu(proxy.pid)).ns;
  const flags = [direct, proxied].flatMap(({ facts }) => flagsOf(facts, exempt));
  return { subscribers, results: { direct, proxied }, proxyNs, flags };
}

async function compare(
  engine: EngineName,
  format: Format,
  settings: RunSettings,
  spinnerPid: number | undefined,
): Promise<HopComparison> {
  const plan = proxyHopPlanOf(settings);
  const [one, other] = [await startServer("fanwire", engine), await startServer("fanwire", engine)];
  const connections = hopGroups.reduce((sum, { subscribers }) => sum + opened * subscribers, 0);
  const proxy = await startProxy([other.port], { maxConnections: connections + 100 });
  const sides = {
    direct: await gather(one, one.port, format),
    proxied: await gather(other, proxy.port, format),
  };
  const run = (group: HopGroup, durationMs: number, seed: number) =>
    measure(sides, proxy, group, durationMs, seed, format, spinnerPid);
  for (const group of hopGroups) await run(group, plan.hotMs, 0);
  const { quick, seed } = settings;
  const random = seededRandom(seed);
  const totals = { direct: newTotals(), proxied: newTotals() };
  const windows: HopWindow[] = [];
  let repeated = 0;
  for (let round = 1; round <= plan.rounds; round++) {
    for (const group of shuffled(hopGroups, random)) {
      const { window, disturbed } = await undisturbed({ attempts, pauseMs, quick }, (attempt) =>
        run(group, plan.share * group.windowMs, windowSeed(seed, round, attempt)),
      );
      repeated += disturbed.length;
      windows.push({ round, ...window });
      for (const path of paths) totals[path].get(group.subscribers)?.add(window.results[path]);
    }
  }
  for (const path of paths) {
    for (const group of sides[path].subscribers.values()) for (const connection of group) connection.close();
    sides[path].publisher.close();
    await sides[path].server.stop();
  }
  await proxy.stop();
  return { engine, format, plan, proxyVersion: proxy.version, windows, repeated, totals };
}

const newTotals = () =>
  new Map<number, WindowTotals>(hopGroups.map(({ subscribers }) => [subscribers, new WindowTotals()]));

export async function* proxyHop(settings: RunSettings): AsyncGenerator<HopComparison> {
  const spinner = settings.halt ? undefined : keepAwake();
  for (const engine of settings.engines) {
    for (const format of settings.formats) yield await compare(engine, format, settings, spinner?.pid);
  }
  spinner?.stop();
}

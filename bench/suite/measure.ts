// One measured window of one target, from schedule to finished run; knows no plan and no table.

import { encode } from "../measure/histogram.ts";
import { suiteFlags } from "./flags.ts";
import type { Generator, Opened, WindowOrder, WindowRecord } from "./load/generator.ts";
import type { ReceiverRecord } from "./load/messages.ts";
import type { CapacityPoint, Run, Scenario, SecondOfRun } from "./result.ts";
import type { Deployment, RunningTarget, Target } from "./target.ts";
import { disconnectsOf, timelineOf } from "./timeline.ts";
import { countUsage, memoryByRole, type Usage } from "./usage.ts";
import { expectedDeliveries, type Workload } from "./workload.ts";

/** A target that runs, and the generator that loads it. */
export interface Bench {
  readonly target: Target;
  readonly deployment: Deployment;
  readonly running: RunningTarget;
  readonly generator: Generator;
  readonly round: number;
  readonly seed: number;
  readonly idleMs: number;
}

/** A workload whose connections are open. */
export interface Audience {
  readonly workload: Workload;
  readonly opened: Opened;
  readonly idleCpuNsPerSecond: number;
}

export interface MeasureSettings {
  readonly scenario: Scenario;
  /** Publications per second. */
  readonly rate: number;
  readonly durationMs: number;
  readonly publicationsPerBurst?: number;
  /** Rules suspended because they are what is measured. */
  readonly exempt?: readonly string[];
  readonly capacity?: CapacityPoint["step"];
  readonly unrest?: WindowOrder["unrest"];
  /** Called when the window is about to begin. */
  readonly begins?: () => void;
  /** Beside the plan's seed, so that no two windows of a search have one schedule. Default 0. */
  readonly salt?: number;
}

const graceMs = 3000;

/** Where everybody connects, where that is not everywhere in turn. */
export interface Ports {
  readonly subscribers: readonly number[];
  readonly publishers: readonly number[];
}

/** Opens a workload's connections, closing those of the one before. */
export async function gather(
  { target, running, generator, idleMs }: Bench,
  workload: Workload,
  { subscribers, publishers }: Ports = { subscribers: running.ports, publishers: running.ports },
  isRestless = false,
): Promise<Audience> {
  await generator.close();
  const opened = await generator.open({
    ...{ protocol: target.protocol, workload, isRestless },
    ...{ subscriberPorts: subscribers, publisherPorts: publishers },
  });
  const usage = countUsage(running.processes, []);
  await Bun.sleep(idleMs);
  const { targetNs, wallNs } = usage();
  return { workload, opened, idleCpuNsPerSecond: (targetNs / wallNs) * 1e9 };
}

/** A window that nobody looks at: compilers, caches and TCP windows come to their working state. */
export async function warmUp(bench: Bench, rate: number, durationMs: number): Promise<void> {
  await bench.generator.window({ seed: bench.seed + 7919, rate, durationMs, graceMs });
}

export async function measure(bench: Bench, audience: Audience, settings: MeasureSettings): Promise<Run> {
  const { rate, durationMs, salt = 0, unrest } = settings;
  const seed = bench.seed + bench.round * 101 + salt;
  const order: WindowOrder = { seed, rate, durationMs, graceMs, ...(unrest && { unrest }) };
  let usage: (() => Usage) | undefined;
  const startedAt = new Date().toISOString();
  const record = await bench.generator.window(order, () => {
    usage = countUsage(bench.running.processes, bench.generator.pids);
    settings.begins?.();
  });
  const used = (usage as () => Usage)();
  return runOf(bench, audience, settings, order, record, used, startedAt);
}

function runOf(
  bench: Bench,
  audience: Audience,
  settings: MeasureSettings,
  order: WindowOrder,
  record: WindowRecord,
  used: Usage,
  startedAt: string,
): Run {
  const { workload } = audience;
  const { target, deployment, running } = bench;
  const schedule = workload.schedule(order.seed, order.rate, order.durationMs);
  const expected = expectedDeliveries(workload, schedule);
  const publications = schedule.topic.length;
  const sums = sumsOf(record.receivers);
  const seconds = order.durationMs / 1000;
  const elapsedNs = Math.max(sums.lastArrivalAfterNs, order.durationMs * 1e6);
  const perSecond = (count: number) => count / (elapsedNs / 1e9);
  const run: Run = {
    scenario: settings.scenario,
    target: {
      ...{ name: target.name, kind: target.kind, deployment },
      ...{ versions: running.versions, settings: running.settings },
    },
    workload: {
      ...{ name: workload.name, mode: workload.mode, spec: workload.spec },
      ...{ connections: workload.connections, topics: workload.topics, publishers: workload.publishers },
    },
    round: bench.round,
    seed: order.seed,
    startedAt,
    offered: {
      publicationsPerSecond: publications / seconds,
      deliveriesPerSecond: expected / seconds,
    },
    achieved: {
      publicationsPerSecond: perSecond(record.publisher.sent),
      deliveriesPerSecond: perSecond(sums.received),
    },
    elapsedMs: elapsedNs / 1e6,
    durationMs: order.durationMs,
    publicationsPerBurst: settings.publicationsPerBurst ?? 1,
    framesPerChunk: sums.frames / Math.max(1, sums.chunks),
    messagesPerChunk: sums.received / Math.max(1, sums.chunks),
    bytesPerDelivery: sums.bytes / Math.max(1, sums.received),
    publications,
    deliveries: sums.received,
    expectedDeliveries: expected,
    cpuNs: used.cpuNs,
    rssBytes: memoryByRole(running.processes),
    wallNs: used.wallNs,
    idleCpuNsPerSecond: audience.idleCpuNsPerSecond,
    histograms: {
      fromIntended: encode(record.fromIntended),
      fromSent: encode(record.fromSent),
      lastReceiver: encode(record.lastReceiver),
      lateness: encode(record.lateness),
    },
    ...{ lost: sums.lost, doubled: sums.doubled, disordered: sums.disordered, skipped: sums.skipped },
    perSecond: secondsOf(record.receivers),
    flags: flagsOfRun(audience, settings, order, record, sums, used, expected),
  };
  const capacity = settings.capacity && { capacity: capacityOf(settings.capacity, run, record, used) };
  const unrest = record.receivers.flatMap((one) => one.unrest ?? []);
  if (unrest.length === 0) return { ...run, ...capacity };
  const timeline = timelineOf(unrest, workload.connections, run.durationMs);
  return { ...run, timeline, disconnects: disconnectsOf(unrest, run, settings.unrest?.offlineMs ?? 0) };
}

function capacityOf(
  step: CapacityPoint["step"],
  run: Run,
  { fromIntended }: WindowRecord,
  { targetNs }: Usage,
): CapacityPoint {
  const p99Ns = fromIntended.getValueAtPercentile(99);
  // In `latest` fewer may arrive than were published, and that is no failure: then only lateness counts.
  const arrived = (run.deliveries + run.skipped) / Math.max(1, run.expectedDeliveries);
  const inTime = run.elapsedMs <= 1.05 * run.durationMs + 50;
  const within = (ms: number) => p99Ns <= ms * 1e6 && arrived >= 0.99 && inTime;
  return {
    step,
    within: { ms5: within(5), ms10: within(10), ms50: within(50) },
    deliveriesPerCoreSecond: run.deliveries / (targetNs / 1e9),
  };
}

/** Counts that are added over the processes of receivers. */
const counted = [
  ...(["received", "lost", "doubled", "disordered", "skipped", "strange", "strangers"] as const),
  ...(["cut", "connections", "chunks", "frames", "bytes"] as const),
];

interface Sums extends Readonly<Record<(typeof counted)[number], number>> {
  readonly lastArrivalAfterNs: number;
  readonly lowestLatencyNs: number;
}

function sumsOf(records: readonly ReceiverRecord[]): Sums {
  const sums = counted.map((name) => [name, records.reduce((sum, record) => sum + record[name], 0)]);
  return {
    ...(Object.fromEntries(sums) as Record<(typeof counted)[number], number>),
    lastArrivalAfterNs: Math.max(...records.map((one) => one.lastArrivalAfterNs)),
    lowestLatencyNs: Math.min(...records.map((one) => one.lowestLatencyNs)),
  };
}

/** Seconds of arrival over all processes. */
function secondsOf(records: readonly ReceiverRecord[]): SecondOfRun[] {
  const length = Math.max(0, ...records.map(({ perSecond }) => perSecond.length));
  return Array.from({ length }, (_, second) => {
    const all = records.map(({ perSecond }) => perSecond[second]);
    return {
      second,
      deliveries: all.reduce((sum, one) => sum + (one?.deliveries ?? 0), 0),
      worstNs: Math.max(0, ...all.map((one) => one?.worstNs ?? 0)),
    };
  });
}

function flagsOfRun(
  { workload, opened }: Audience,
  { exempt = [] }: MeasureSettings,
  order: WindowOrder,
  record: WindowRecord,
  sums: Sums,
  used: Usage,
  expected: number,
) {
  const { lateness, lastReceiver, publisher, fromIntended, fromSent } = record;
  return suiteFlags(
    {
      wanted: workload.connections,
      firstError: opened.firstError,
      byProcess: record.receivers.map(({ expected, received }) => ({ expected, received })),
      strange: sums.strange,
      doubled: sums.doubled,
      latency: [50, 99].map((percentile) => ({
        percentile,
        intendedNs: fromIntended.getValueAtPercentile(percentile),
        sentNs: fromSent.getValueAtPercentile(percentile),
      })),
      connections: sums.connections,
      connectionsCut: sums.cut,
      unexpectedFrames: sums.strangers,
      publicationsPlanned: publisher.planned,
      publicationsSent: publisher.sent,
      expected,
      // Values of `latest` that newer ones replaced are accounted for.
      received: sums.received + sums.skipped,
      lost: sums.lost,
      disordered: sums.disordered,
      plannedNs: order.durationMs * 1e6,
      elapsedNs: Math.max(sums.lastArrivalAfterNs, publisher.endedAfterNs),
      lowestLatencyNs: sums.lowestLatencyNs,
      generatorBusy: used.cpuNs.generator / used.wallNs,
      serverBusy: used.targetNs / used.wallNs,
      foreignBusy: used.foreignNs / used.wallNs,
      stealShare: used.stealNs / used.wallNs,
      serverNs: used.targetNs,
      serverCoarseNs: used.targetCoarseNs,
      framesPerChunk: sums.frames / Math.max(1, sums.chunks),
      latenessP99Ns: lateness.getValueAtPercentile(99),
      lastReceiverP50Ns: lastReceiver.getValueAtPercentile(50),
    },
    // Several publications per chunk are a merit here, and printed: only a cost per write would be flattered by them.
    [...exempt, "coalesced"],
  );
}

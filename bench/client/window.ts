// One measured window: a schedule of publications to one group of subscribers, both sides' CPU, and the facts to judge it by.

import { cpuBetween, readCpu, readMachine } from "../measure/cpu.ts";
import { createHistogram, type Histogram } from "../measure/histogram.ts";
import type { WindowFacts } from "../measure/validity.ts";
import { Connection, type Listener } from "./connection.ts";
import { Deliveries } from "./deliveries.ts";
import { pace } from "./pace.ts";
import { type PublishFrames, SequencePlace } from "./payload.ts";

export interface WindowSettings {
  readonly serverPid: number;
  /** A process whose CPU time is nobody's load (see keepAwake). */
  readonly spinnerPid?: number | undefined;
  readonly publisher: Connection;
  /** Their indexes are consecutive. */
  readonly subscribers: readonly Connection[];
  readonly frames: PublishFrames;
  readonly schedule: Float64Array;
  readonly durationMs: number;
  /** See DeliverySettings. */
  readonly ring?: number;
  /** Called with the number of each publication right after it left. */
  readonly published?: (index: number) => void;
}

export interface WindowResult {
  readonly facts: WindowFacts;
  readonly publications: number;
  readonly serverNs: number;
  readonly generatorNs: number;
  /** Mean payload bytes of a delivered frame. */
  readonly frameBytes: number;
  readonly fromIntended: Histogram;
  readonly fromSent: Histogram;
  readonly lastReceiver: Histogram;
  readonly lateness: Histogram;
  /** A delivered frame, to publish the same bytes elsewhere. */
  readonly sample: Buffer | undefined;
}

const graceMs = 3000;

/** Hears a group of subscribers and enters what it hears into the account. */
export class Receivers implements Listener {
  /** Frames that are no publication: a `reset`, a `closing`, an error. */
  unexpected = 0;
  frameBytes = 0;
  sample: Buffer | undefined;
  readonly #deliveries: Deliveries;
  readonly #place: SequencePlace;
  readonly #base: number;

  constructor(deliveries: Deliveries, first: Connection) {
    this.#deliveries = deliveries;
    this.#place = new SequencePlace(first.format);
    this.#base = first.index;
  }

  message(connection: Connection, buffer: Buffer, start: number, end: number, at: number): void {
    const sequence = this.#place.read(buffer, start, end);
    if (sequence === -1) {
      this.unexpected++;
      return;
    }
    this.frameBytes += end - start;
    this.sample ??= Buffer.from(buffer.subarray(start, end));
    this.#deliveries.receivedAt(connection.index - this.#base, sequence, at);
  }
}

export async function measureWindow(settings: WindowSettings): Promise<WindowResult> {
  const { serverPid, spinnerPid, publisher, subscribers, frames, schedule } = settings;
  const deliveries = new Deliveries({
    publications: schedule.length,
    subscribers: subscribers.length,
    ring: settings.ring ?? 0,
  });
  const receivers = new Receivers(deliveries, subscribers[0] as Connection);
  for (const subscriber of subscribers) subscriber.listener = receivers;

  const before = { ...Connection.totals, at: Bun.nanoseconds(), machine: readMachine() };
  const spinner = spinnerPid === undefined ? undefined : readCpu(spinnerPid);
  const cpu = { server: readCpu(serverPid), generator: readCpu(process.pid) };
  const paced = await pace(schedule, (index, intendedAt) => {
    const frame = frames.at(index);
    deliveries.publishing(index, intendedAt, Bun.nanoseconds());
    publisher.write(frame);
    settings.published?.(index);
  });
  await deliveries.complete(graceMs);
  const server = cpuBetween(cpu.server, readCpu(serverPid));
  const generator = cpuBetween(cpu.generator, readCpu(process.pid));
  const spunNs = spinner === undefined ? 0 : cpuBetween(spinner, readCpu(spinnerPid as number)).ns;
  const after = { ...Connection.totals, at: Bun.nanoseconds(), machine: readMachine() };

  const wallNs = after.at - before.at;
  const lastReceiver = deliveries.lastReceiver();
  const machineBusyNs = after.machine.busyNs - before.machine.busyNs;
  const facts: WindowFacts = {
    connections: subscribers.length,
    connectionsCut: subscribers.filter((subscriber) => subscriber.isClosed).length,
    unexpectedFrames: receivers.unexpected,
    publicationsPlanned: schedule.length,
    publicationsSent: paced.sent,
    expected: deliveries.expected,
    received: deliveries.received,
    lost: deliveries.lost,
    disordered: deliveries.disordered,
    plannedNs: settings.durationMs * 1e6,
    elapsedNs: deliveries.lastAt - paced.startedAt,
    lowestLatencyNs: deliveries.lowestLatencyNs,
    generatorBusy: Math.max(0, generator.ns - paced.idleSpinNs) / wallNs,
    serverBusy: server.ns / wallNs,
    foreignBusy: Math.max(0, machineBusyNs - server.ns - generator.ns - spunNs) / wallNs,
    stealShare: (after.machine.stealNs - before.machine.stealNs) / wallNs,
    serverNs: server.ns,
    serverCoarseNs: server.coarseNs,
    framesPerChunk: (after.frames - before.frames) / (after.chunks - before.chunks),
    latenessP99Ns: paced.lateness.getValueAtPercentile(99),
    lastReceiverP50Ns: lastReceiver.getValueAtPercentile(50),
  };
  return {
    facts,
    publications: paced.sent,
    serverNs: server.ns,
    generatorNs: generator.ns,
    frameBytes: receivers.frameBytes / Math.max(1, deliveries.received),
    fromIntended: deliveries.fromIntended,
    fromSent: deliveries.fromSent,
    lastReceiver,
    lateness: paced.lateness,
    sample: receivers.sample,
  };
}

/** Adds the histograms of several windows of one kind. */
export class WindowTotals {
  readonly fromIntended = createHistogram();
  readonly fromSent = createHistogram();
  readonly lastReceiver = createHistogram();
  readonly lateness = createHistogram();
  publications = 0;
  deliveries = 0;
  serverNs = 0;
  generatorNs = 0;
  framesPerChunk = 0;
  frameBytes = 0;
  serverBusy = 0;
  generatorBusy = 0;
  #windows = 0;

  add(result: WindowResult): void {
    for (const name of ["fromIntended", "fromSent", "lastReceiver", "lateness"] as const) {
      this[name].add(result[name]);
    }
    this.publications += result.publications;
    this.deliveries += result.facts.received;
    this.serverNs += result.serverNs;
    this.generatorNs += result.generatorNs;
    this.framesPerChunk = Math.max(this.framesPerChunk, result.facts.framesPerChunk);
    this.serverBusy = Math.max(this.serverBusy, result.facts.serverBusy);
    this.generatorBusy = Math.max(this.generatorBusy, result.facts.generatorBusy);
    this.frameBytes += (result.frameBytes - this.frameBytes) / ++this.#windows;
  }
}

// One measured window: a schedule of publications to one server or to several in turn, everybody's CPU, and the facts to judge
// it by; knows no server and no claim.

import { type CpuSnapshot, type CpuUse, cpuBetween, readCpu, readMachine } from "../measure/cpu.ts";
import { createHistogram, type Histogram } from "../measure/histogram.ts";
import type { AlternatingSchedule } from "../measure/schedule.ts";
import type { WindowFacts } from "../measure/validity.ts";
import type { Connection, Listener, Subscriber } from "./connection.ts";
import { Deliveries } from "./deliveries.ts";
import { type PaceSettings, pace } from "./pace.ts";
import { type Frames, SequencePlace } from "./payload.ts";

/** A server with a group of its subscribers, and how to publish to them. */
export interface WindowSide {
  readonly serverPid: number;
  readonly publisher: Connection;
  /** Their indexes are consecutive. */
  readonly subscribers: readonly Subscriber[];
  readonly frames: Frames;
  /** See DeliverySettings. */
  readonly ring?: number;
}

interface WindowLength {
  /** Processes of the benchmark whose CPU time is nobody's load: the one that keeps a core awake, slow readers. */
  readonly besidePids?: readonly number[];
  readonly durationMs: number;
}

export interface WindowSettings extends WindowSide, WindowLength {
  readonly schedule: Float64Array;
  /** Called with the number of each publication right after it left. */
  readonly published?: (index: number) => void;
}

export interface AlternatingSettings extends WindowLength {
  readonly sides: readonly WindowSide[];
  readonly schedule: AlternatingSchedule;
  readonly published?: (index: number) => void;
  readonly pacing?: PaceSettings;
}

export interface WindowResult {
  readonly facts: WindowFacts;
  readonly publications: number;
  readonly serverNs: number;
  readonly generatorNs: number;
  /** How long the window took, from the first reading of CPU time to the last. */
  readonly wallNs: number;
  /** Mean payload bytes of a delivered frame. */
  readonly frameBytes: number;
  readonly fromIntended: Histogram;
  readonly fromSent: Histogram;
  readonly lastReceiver: Histogram;
  readonly lateness: Histogram;
  /** The last frame that the first subscriber had, to publish the same bytes elsewhere. */
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

  constructor(deliveries: Deliveries, first: Subscriber) {
    this.#deliveries = deliveries;
    this.#place = new SequencePlace(first.format);
    this.#base = first.index;
  }

  message(connection: Subscriber, buffer: Buffer, start: number, end: number, at: number): void {
    const sequence = this.#place.read(buffer, start, end);
    if (sequence === -1) {
      this.unexpected++;
      return;
    }
    this.frameBytes += end - start;
    if (connection.index === this.#base) this.sample = Buffer.from(buffer.subarray(start, end));
    this.#deliveries.receivedAt(connection.index - this.#base, sequence, at);
  }
}

export async function measureWindow(settings: WindowSettings): Promise<WindowResult> {
  const { schedule: times, besidePids = [], durationMs, published } = settings;
  const schedule = { times, sides: new Uint8Array(times.length) };
  const base = { sides: [settings], schedule, besidePids, durationMs };
  const [result] = await measureAlternating(published === undefined ? base : { ...base, published });
  return result as WindowResult;
}

/** One side's part of a window. */
class Part {
  readonly side: WindowSide;
  readonly publications: number;
  readonly deliveries: Deliveries;
  readonly receivers: Receivers;
  sent = 0;
  readonly #chunksBefore: number;
  readonly #cpuBefore: CpuSnapshot;

  constructor(side: WindowSide, publications: number) {
    this.side = side;
    this.publications = publications;
    const subscribers = side.subscribers.length;
    this.deliveries = new Deliveries({ publications, subscribers, ring: side.ring ?? 0 });
    this.receivers = new Receivers(this.deliveries, side.subscribers[0] as Subscriber);
    for (const subscriber of side.subscribers) subscriber.listener = this.receivers;
    this.#chunksBefore = this.#chunks();
    this.#cpuBefore = readCpu(side.serverPid);
  }

  publish(intendedAt: number): void {
    const frame = this.side.frames.at(this.sent);
    this.deliveries.publishing(this.sent++, intendedAt, Bun.nanoseconds());
    this.side.publisher.write(frame);
  }

  cpu(): CpuUse {
    return cpuBetween(this.#cpuBefore, readCpu(this.side.serverPid));
  }

  framesPerChunk(): number {
    const frames = this.deliveries.received + this.receivers.unexpected;
    return frames / Math.max(1, this.#chunks() - this.#chunksBefore);
  }

  #chunks(): number {
    return this.side.subscribers.reduce((sum, subscriber) => sum + subscriber.chunks, 0);
  }
}

/** Each side's result, in their order. Whatever the machine does to one of them within a slice, it does to the others too. */
export async function measureAlternating(settings: AlternatingSettings): Promise<WindowResult[]> {
  const { sides, schedule, besidePids = [], durationMs } = settings;
  const before = { at: Bun.nanoseconds(), machine: readMachine() };
  const besideBefore = besidePids.map(readCpu);
  const generatorBefore = readCpu(process.pid);
  const parts = sides.map((side, place) => {
    return new Part(
      side,
      schedule.sides.reduce((count, one) => count + (one === place ? 1 : 0), 0),
    );
  });
  const publish = (index: number, intendedAt: number) => {
    (parts[schedule.sides[index] as number] as Part).publish(intendedAt);
    settings.published?.(index);
  };
  const paced = await pace(schedule.times, publish, settings.pacing);
  await Promise.all(parts.map((part) => part.deliveries.complete(graceMs)));
  const servers = parts.map((part) => part.cpu());
  const generator = cpuBetween(generatorBefore, readCpu(process.pid));
  const beside = besidePids.map((pid, i) => cpuBetween(besideBefore[i] as CpuSnapshot, readCpu(pid)).ns);
  const after = { at: Bun.nanoseconds(), machine: readMachine() };

  const wallNs = after.at - before.at;
  const serversNs = servers.reduce((sum, { ns }) => sum + ns, 0);
  const ownNs = beside.reduce((sum, ns) => sum + ns, serversNs + generator.ns);
  const foreignNs = after.machine.busyNs - before.machine.busyNs - ownNs;
  const shared = {
    plannedNs: durationMs * 1e6,
    generatorBusy: Math.max(0, generator.ns - paced.idleSpinNs) / wallNs,
    foreignBusy: Math.max(0, foreignNs) / wallNs,
    stealShare: (after.machine.stealNs - before.machine.stealNs) / wallNs,
    latenessP99Ns: paced.lateness.getValueAtPercentile(99),
  };
  return parts.map((part, place) => {
    const server = servers[place] as CpuUse;
    const { deliveries, receivers, side } = part;
    const lastReceiver = deliveries.lastReceiver();
    const facts: WindowFacts = {
      ...shared,
      connections: side.subscribers.length,
      connectionsCut: side.subscribers.filter((subscriber) => subscriber.isClosed).length,
      unexpectedFrames: receivers.unexpected,
      publicationsPlanned: part.publications,
      publicationsSent: part.sent,
      expected: deliveries.expected,
      received: deliveries.received,
      lost: deliveries.lost,
      disordered: deliveries.disordered,
      elapsedNs: deliveries.lastAt - paced.startedAt,
      lowestLatencyNs: deliveries.lowestLatencyNs,
      // Of its own share of the time.
      serverBusy: (server.ns * sides.length) / wallNs,
      serverNs: server.ns,
      serverCoarseNs: server.coarseNs,
      framesPerChunk: part.framesPerChunk(),
      lastReceiverP50Ns: lastReceiver.getValueAtPercentile(50),
    };
    return {
      facts,
      publications: part.sent,
      serverNs: server.ns,
      generatorNs: generator.ns,
      wallNs,
      frameBytes: receivers.frameBytes / Math.max(1, deliveries.received),
      fromIntended: deliveries.fromIntended,
      fromSent: deliveries.fromSent,
      lastReceiver,
      lateness: paced.lateness,
      sample: receivers.sample,
    };
  });
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

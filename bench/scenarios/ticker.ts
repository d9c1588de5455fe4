// Benchmark `ticker`: one `latest` topic at a thousand publications a second, its subscribers in four rate classes: what each
// class costs, how old what it shows is, and whether readers that stopped are up to date as soon as they read again.

import { setTimeout as pause } from "node:timers/promises";
import { Connection } from "../client/connection.ts";
import { pace } from "../client/pace.ts";
import { type RateHz, TickerGroup } from "../client/ticker-group.ts";
import { TickerSource } from "../client/ticker-source.ts";
import { type Resumption, stopAndResume } from "../client/ticker-stopped.ts";
import { cpuBetween, readCpu, readMachine } from "../measure/cpu.ts";
import { createHistogram, type Histogram } from "../measure/histogram.ts";
import { jitteredSchedule } from "../measure/schedule.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import type { RunSettings } from "../settings.ts";
import { type EngineName, type ServerProcess, startServer } from "../targets/servers.ts";

type Classes = readonly (readonly [rateHz: RateHz, subscribers: number])[];

export interface TickerPlan {
  readonly rounds: number;
  /** Unequal, so that all of them together overload neither side's core. */
  readonly classes: Classes;
  readonly keys: number;
  readonly ratePerSecond: number;
  readonly textBytes: number;
  readonly windowMs: number;
  /** Readers that stop, and for how long: until the kernel's buffers, up to 10 MB for each, are full and more. */
  readonly stopped: number;
  readonly stoppedMs: number;
}

export const tickerPlanOf = (settings: RunSettings): TickerPlan =>
  settings.quick
    ? {
        rounds: settings.rounds ?? 1,
        classes: [
          [undefined, 4],
          [20, 8],
          [5, 12],
          [2, 16],
        ],
        keys: 100,
        ratePerSecond: 1000,
        textBytes: 2048,
        windowMs: 2000,
        stopped: 4,
        stoppedMs: 5000,
      }
    : {
        rounds: settings.rounds ?? 6,
        classes: [
          [undefined, 40],
          [20, 80],
          [5, 300],
          [2, 580],
        ],
        keys: 100,
        ratePerSecond: 1000,
        textBytes: 300,
        windowMs: 10_000,
        stopped: 50,
        stoppedMs: 50_000,
      };

const topic = "ticker:bench";
/** Of each class. The ages of values are theirs. */
const readers = 4;
const sampleMs = 37;
/** By then each class has had its first round, and nobody shows what was published before the window. */
const firstRoundMs = 1000;
/** After the last publication: more than the period of the slowest class. */
const quietMs = 1500;
/** In the window with stopped readers, what goes on before they stop and after the last of them has read on. */
const aroundMs = 2000;

/** What a class got within a window. */
export interface ClassFigures {
  readonly rateHz: RateHz;
  readonly subscribers: number;
  readonly frames: number;
  readonly bytes: number;
  readonly age: Histogram;
  /** Of its readers: keys that were not up to date in the end, and values that went backwards on the way. */
  readonly stale: number;
  readonly backwards: number;
  readonly cut: number;
}

export interface TickerWindow {
  readonly round: number;
  /** The class that was there alone; `all` of them, `nobody`, or `all and stopped`. */
  readonly who: string;
  readonly wallNs: number;
  readonly published: number;
  readonly planned: number;
  readonly serverNs: number;
  readonly generatorNs: number;
  /** CPU time of other processes, and of the hypervisor's other guests. */
  readonly foreignNs: number;
  readonly stealNs: number;
  /** That the subscribers received: the server wrote at least so often. */
  readonly chunks: number;
  readonly classes: readonly ClassFigures[];
  /** The age of values at the publisher itself: nobody's can be less. */
  readonly ideal: Histogram;
}

export interface StoppedFigures extends Resumption {
  readonly stale: number;
  readonly backwards: number;
  readonly isClosed: boolean;
}

export interface TickerComparison {
  readonly engine: EngineName;
  readonly format: RunSettings["formats"][number];
  readonly plan: TickerPlan;
  readonly windows: readonly TickerWindow[];
  readonly stopped: readonly StoppedFigures[];
}

export const nameOf = (rateHz: RateHz): string => (rateHz === undefined ? "every" : `${rateHz} Hz`);

class Ticking {
  readonly #server: ServerProcess;
  readonly #settings: RunSettings;
  readonly #plan: TickerPlan;
  readonly #target: { readonly port: number; readonly format: RunSettings["formats"][number]; query: string };
  readonly #source: TickerSource;
  readonly #windows: TickerWindow[] = [];

  constructor(
    server: ServerProcess,
    format: RunSettings["formats"][number],
    settings: RunSettings,
    publisher: Connection,
  ) {
    this.#server = server;
    this.#settings = settings;
    this.#plan = tickerPlanOf(settings);
    this.#target = { port: server.port, format, query: "?join=none" };
    this.#source = new TickerSource(publisher, topic, this.#plan.textBytes, this.#plan.keys);
  }

  async run(): Promise<TickerComparison> {
    const { classes, rounds, windowMs } = this.#plan;
    const random = seededRandom(this.#settings.seed);
    // The first window meets cold code and is not kept.
    await this.#measure(0, "all", classes, windowMs / 4);
    this.#windows.length = 0;
    for (let round = 1; round <= rounds; round++) {
      const alone = classes.map((one) => ({ who: nameOf(one[0]), present: [one] }));
      const kinds = [...alone, { who: "nobody", present: [] }, { who: "all", present: classes }];
      for (const { who, present } of shuffled(kinds, random))
        await this.#measure(round, who, present, windowMs);
    }
    const stopped = await this.#withStopped(rounds + 1);
    const { format } = this.#target;
    return { engine: this.#server.engine, format, plan: this.#plan, windows: this.#windows, stopped };
  }

  async #join(classes: Classes): Promise<TickerGroup[]> {
    const groups: TickerGroup[] = [];
    for (const [rateHz, subscribers] of classes) {
      const settings = { topic, rateHz, subscribers, readers, keys: this.#plan.keys };
      groups.push(await TickerGroup.join(this.#target, settings));
    }
    return groups;
  }

  /** One window with these classes. */
  async #measure(round: number, who: string, present: Classes, durationMs: number): Promise<void> {
    const groups = await this.#join(present);
    const measured = await this.#publish(groups, round, durationMs);
    await pause(quietMs);
    const newest = this.#source.newest();
    this.#windows.push({ ...measured, round, who, classes: groups.map((group) => figuresOf(group, newest)) });
    for (const group of groups) group.leave();
  }

  /** One long window with all classes, in which other readers stop, and read on while publications go on. */
  async #withStopped(round: number): Promise<StoppedFigures[]> {
    const { classes, stopped, stoppedMs, keys } = this.#plan;
    const groups = await this.#join(classes);
    const settings = { topic, rateHz: undefined, subscribers: stopped, readers: stopped, keys };
    const stopping = await TickerGroup.join(this.#target, settings);
    const [direct] = groups as [TickerGroup];
    const frameBytes = () => direct.readers[0]!.connection.bytes / Math.max(1, this.#source.count - first);
    const first = this.#source.count;
    const resumed = pause(aroundMs).then(() =>
      Promise.all(
        stopping.readers.map((reader) =>
          stopAndResume(reader, this.#source, { serverPort: this.#server.port, stoppedMs, frameBytes }),
        ),
      ),
    );
    const measured = await this.#publish(groups, round, stoppedMs + 2 * aroundMs);
    const resumptions = await resumed;
    await pause(quietMs);
    const newest = this.#source.newest();
    const who = "all and stopped";
    this.#windows.push({ ...measured, round, who, classes: groups.map((group) => figuresOf(group, newest)) });
    const figures = stopping.readers.map((reader, at) => ({
      ...(resumptions[at] as Resumption),
      stale: reader.olderThan(newest),
      backwards: reader.backwards,
      isClosed: reader.connection.isClosed,
    }));
    for (const group of [...groups, stopping]) group.leave();
    return figures;
  }

  async #publish(groups: readonly TickerGroup[], round: number, durationMs: number) {
    const seed = this.#settings.seed * 1000 + round;
    const schedule = jitteredSchedule({ ratePerSecond: this.#plan.ratePerSecond, durationMs, seed });
    const ideal = createHistogram();
    const startedAt = Bun.nanoseconds();
    const sampler = setInterval(() => {
      const now = Bun.nanoseconds();
      if (now - startedAt < firstRoundMs * 1e6) return;
      for (const group of groups) group.sampleAge(this.#source, now);
      for (const sequence of this.#source.newest()) {
        if (sequence >= 0) ideal.recordValue(now - this.#source.publishedAt(sequence));
      }
    }, sampleMs);
    const before = { server: readCpu(this.#server.pid), own: readCpu(process.pid), machine: readMachine() };
    const { chunks } = Connection.totals;
    const paced = await pace(schedule, () => this.#source.publish());
    clearInterval(sampler);
    const wallNs = Bun.nanoseconds() - startedAt;
    const serverNs = cpuBetween(before.server, readCpu(this.#server.pid)).ns;
    const ownNs = cpuBetween(before.own, readCpu(process.pid)).ns;
    const machine = readMachine();
    return {
      wallNs,
      published: paced.sent,
      planned: schedule.length,
      serverNs,
      generatorNs: Math.max(0, ownNs - paced.idleSpinNs),
      foreignNs: Math.max(0, machine.busyNs - before.machine.busyNs - serverNs - ownNs),
      stealNs: machine.stealNs - before.machine.stealNs,
      chunks: Connection.totals.chunks - chunks,
      ideal,
    };
  }
}

function figuresOf(group: TickerGroup, newest: Int32Array): ClassFigures {
  const { settings, frames, bytes, age, backwards, cut } = group;
  const { rateHz, subscribers } = settings;
  return { rateHz, subscribers, frames, bytes, age, backwards, cut, stale: group.olderThan(newest) };
}

export async function* ticker(settings: RunSettings): AsyncGenerator<TickerComparison> {
  for (const engine of settings.engines) {
    for (const format of settings.formats) {
      const server = await startServer("fanwire", engine);
      const publisher = await Connection.open({ port: server.port, format });
      yield await new Ticking(server, format, settings, publisher).run();
      await server.stop();
    }
  }
}

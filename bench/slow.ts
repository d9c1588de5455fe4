// Benchmark `slow`: a thousand fast subscribers with and without slow readers beside them, and what became of each slow one.

import { Connection, openMany } from "./client/connection.ts";
import { PublishFrames } from "./client/payload.ts";
import { type Outcome, type SlowKind, SlowReader, slowKinds } from "./client/slow-reader.ts";
import { measureWindow, type WindowResult } from "./client/window.ts";
import { kernelQueuedBytes } from "./measure/kernel-queues.ts";
import { jitteredSchedule } from "./measure/schedule.ts";
import { type Flag, flagsOf } from "./measure/validity.ts";
import type { RunSettings } from "./settings.ts";
import { type EngineName, type ServerProcess, startServer } from "./targets/servers.ts";

export interface SlowPlan {
  readonly rounds: number;
  readonly fast: number;
  readonly slowPerKind: number;
  readonly ratePerSecond: number;
  readonly textBytes: number;
  readonly windowMs: number;
  /** When stopped readers stop; one half reads on early, while history still reaches them, the other half late. */
  readonly stopMs: number;
  readonly resumeMs: readonly [number, number];
}

/**
 * 8 KiB, because a reader that stops hurts nobody before the kernel's buffers are full: up to 4 MB of sending and 128 KiB of
 * receiving buffer per connection, 11 s of these publications. And because history keeps a thousand of them: the
 * late half of the stopped readers has to be told `reset`.
 */
export const slowPlanOf = (settings: RunSettings): SlowPlan =>
  settings.quick
    ? {
        rounds: settings.rounds ?? 1,
        fast: 50,
        slowPerKind: 4,
        ratePerSecond: 300,
        textBytes: 16_384,
        windowMs: 6000,
        stopMs: 300,
        resumeMs: [3000, 5700],
      }
    : {
        rounds: settings.rounds ?? 6,
        fast: 1000,
        slowPerKind: 10,
        ratePerSecond: 50,
        textBytes: 8192,
        windowMs: 38_000,
        stopMs: 1000,
        resumeMs: [17_000, 35_000],
      };

const topic = "room:slow";
/** What a window takes longer than its publications: the slow readers read all that waits for them. */
const finishMs = 90_000;

/** Exempt from the rules: that chunks hold one message, which says nothing at 8 KiB and with readers that lag on purpose. */
const exempt = ["coalesced"];

export interface SlowWindow {
  readonly round: number;
  readonly withSlow: boolean;
  readonly seed: number;
  readonly result: WindowResult;
  readonly flags: readonly Flag[];
  readonly readers: readonly ReaderRecord[];
}

export interface ReaderRecord {
  readonly kind: SlowKind;
  readonly outcome: Outcome;
  readonly closeCode: number | undefined;
  readonly resets: number;
  readonly silent: number;
  readonly skippedByReset: number;
  /** Of a stopped reader, when it read on: what waited for it in the kernel, and what waited elsewhere: in the server. */
  readonly kernelBytes: number | undefined;
  readonly serverBytes: number | undefined;
}

export interface SlowComparison {
  readonly engine: EngineName;
  readonly format: RunSettings["formats"][number];
  readonly plan: SlowPlan;
  readonly windows: SlowWindow[];
}

class Slow {
  readonly #server: ServerProcess;
  readonly #settings: RunSettings;
  readonly #format: RunSettings["formats"][number];
  readonly #plan: SlowPlan;

  constructor(server: ServerProcess, format: RunSettings["formats"][number], settings: RunSettings) {
    this.#server = server;
    this.#format = format;
    this.#settings = settings;
    this.#plan = slowPlanOf(settings);
  }

  async run(): Promise<SlowComparison> {
    const { fast, rounds } = this.#plan;
    const target = { port: this.#server.port, format: this.#format };
    const subscribers = await this.#join(await openMany(target, fast));
    const publisher = await Connection.open(target);
    const windows: SlowWindow[] = [];
    const measure = async (round: number, withSlow: boolean) => {
      const readers = withSlow ? await this.#slowReaders() : [];
      windows.push(await this.#window(round, publisher, subscribers, readers));
      for (const { connection } of readers) connection.close();
    };
    // The first window meets cold code and is not kept.
    await measure(0, false);
    windows.length = 0;
    for (let round = 1; round <= rounds; round++) {
      await measure(round, round % 2 === 0);
      await measure(round, round % 2 === 1);
    }
    for (const connection of [...subscribers, publisher]) connection.close();
    return { engine: this.#server.engine, format: this.#format, plan: this.#plan, windows };
  }

  async #join(connections: readonly Connection[]): Promise<readonly Connection[]> {
    await Promise.all(connections.map((connection) => connection.request({ type: "subscribe", topic })));
    return connections;
  }

  async #slowReaders(): Promise<SlowReader[]> {
    const { slowPerKind, ratePerSecond, textBytes, stopMs, resumeMs } = this.#plan;
    const target = { port: this.#server.port, format: this.#format };
    const connections = await this.#join(await openMany(target, slowPerKind * slowKinds.length));
    return connections.map((connection, i) => {
      const place = Math.floor(i / slowKinds.length);
      return new SlowReader(connection, {
        kind: slowKinds[i % slowKinds.length] as SlowKind,
        bytesPerSecond: (ratePerSecond * textBytes) / 10,
        stopMs,
        resumeMs: resumeMs[place % 2] as number,
      });
    });
  }

  async #window(
    round: number,
    publisher: Connection,
    subscribers: readonly Connection[],
    readers: readonly SlowReader[],
  ): Promise<SlowWindow> {
    const { ratePerSecond, textBytes, stopMs } = this.#plan;
    const durationMs = round === 0 ? Math.min(3000, this.#plan.windowMs) : this.#plan.windowMs;
    const seed = this.#settings.seed * 1000 + round;
    const schedule = jitteredSchedule({ ratePerSecond, durationMs, seed });
    const backlog = new Map<SlowReader, { kernel: number; server: number }>();
    let published = 0;
    for (const reader of readers) {
      reader.beforeResume = () => {
        const publishedBytes = (published - (stopMs / 1000) * ratePerSecond) * textBytes;
        const kernel = kernelQueuedBytes(this.#server.port, reader.connection.localPort);
        backlog.set(reader, { kernel, server: Math.max(0, publishedBytes - kernel) });
      };
      reader.start();
    }
    const result = await measureWindow({
      serverPid: this.#server.pid,
      publisher,
      subscribers,
      frames: new PublishFrames(this.#format, topic, textBytes),
      schedule,
      durationMs,
      published: () => published++,
    });
    await Promise.all(readers.map((reader) => reader.finish(schedule.length, finishMs)));
    return {
      round,
      withSlow: readers.length > 0,
      seed,
      result,
      flags: flagsOf(result.facts, exempt),
      readers: readers.map((reader) => recordOf(reader, backlog.get(reader))),
    };
  }
}

function recordOf(reader: SlowReader, backlog: { kernel: number; server: number } | undefined): ReaderRecord {
  const { kind, outcome, closeCode, resets, silent, skippedByReset } = reader;
  const waiting = { kernelBytes: backlog?.kernel, serverBytes: backlog?.server };
  return { kind, outcome, closeCode, resets, silent, skippedByReset, ...waiting };
}

export async function* slow(settings: RunSettings): AsyncGenerator<SlowComparison> {
  for (const engine of settings.engines) {
    for (const format of settings.formats) {
      const server = await startServer("fanwire", engine);
      yield await new Slow(server, format, settings).run();
      await server.stop();
    }
  }
}

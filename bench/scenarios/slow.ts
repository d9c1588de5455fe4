// Benchmark `slow`: three hundred fast subscribers with and without slow readers beside them, and what became of each slow one.

import { Connection, openMany } from "../client/connection.ts";
import { PublishFrames } from "../client/payload.ts";
import type { ReaderRecord } from "../client/slow-group.ts";
import { type SlowProcess, startSlowReaders } from "../client/slow-process.ts";
import { measureWindow, type WindowResult } from "../client/window.ts";
import { jitteredSchedule } from "../measure/schedule.ts";
import { undisturbed } from "../measure/undisturbed.ts";
import { type Flag, flagsOf } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import { startProbed } from "../targets/probed.ts";
import { type EngineName, keepAwake, type ServerProcess, type Spinner } from "../targets/servers.ts";

export interface SlowPlan {
  readonly rounds: number;
  readonly fast: number;
  readonly slowPerKind: number;
  readonly ratePerSecond: number;
  readonly textBytes: number;
  /** Publications that the topic keeps. */
  readonly historySize: number;
  readonly windowMs: number;
  /** When stopped readers stop; one half reads on early, while history still reaches them, the other half late. */
  readonly stopMs: number;
  readonly resumeMs: readonly [number, number];
}

/**
 * 16 KiB, because a reader that stops hurts nobody before the kernel's buffers are full: up to 4 MB of sending and 128 KiB of
 * receiving buffer per connection, 5 s of these publications. The topic keeps 400 of them, another 8 s: the late half of the
 * stopped readers has to be told `reset`. Neither core is busy for more than a half; a window has 270,000 deliveries.
 */
export const slowPlanOf = (settings: RunSettings): SlowPlan =>
  settings.quick
    ? {
        rounds: settings.rounds ?? 1,
        fast: 50,
        slowPerKind: 4,
        ratePerSecond: 300,
        textBytes: 16_384,
        historySize: 400,
        windowMs: 6000,
        stopMs: 300,
        resumeMs: [1800, 5700],
      }
    : {
        rounds: settings.rounds ?? 12,
        fast: 300,
        // Four in a hundred in all: who reads slowly receives too, and is in everybody's latency as any other subscriber is.
        slowPerKind: 4,
        ratePerSecond: 50,
        textBytes: 16_384,
        historySize: 400,
        windowMs: 18_000,
        stopMs: 500,
        resumeMs: [9000, 16_500],
      };

const namespace = "slow";
const topic = `${namespace}:readers`;
/** What a window takes longer than its publications: the slow readers read all that waits for them. */
const finishMs = 90_000;

/** Attempts at a window while something else disturbs the machine. */
const attempts = 3;

/**
 * Exempt from the rules: that chunks hold one message, which says nothing at 16 KiB and with readers that lag on purpose; and
 * that the publisher is late, because what is compared counts from when a publication really left. It waits for nobody,
 * so its lateness hides no delay of the server's; the table has it.
 */
const exempt = ["coalesced", "publisher-late"];

export interface SlowWindow {
  readonly round: number;
  readonly withSlow: boolean;
  readonly seed: number;
  readonly result: WindowResult;
  readonly flags: readonly Flag[];
  readonly readers: readonly ReaderRecord[];
}

export interface SlowComparison {
  readonly engine: EngineName;
  readonly format: RunSettings["formats"][number];
  readonly plan: SlowPlan;
  readonly windows: SlowWindow[];
  /** Windows that something else on the machine disturbed, and that were measured again. Their readers count all the same. */
  readonly repeated: SlowWindow[];
}

class Slow {
  readonly #server: ServerProcess;
  readonly #settings: RunSettings;
  readonly #format: RunSettings["formats"][number];
  readonly #plan: SlowPlan;
  readonly #spinner: Spinner;

  constructor(
    server: ServerProcess,
    format: RunSettings["formats"][number],
    settings: RunSettings,
    spinner: Spinner,
  ) {
    this.#spinner = spinner;
    this.#server = server;
    this.#format = format;
    this.#settings = settings;
    this.#plan = slowPlanOf(settings);
  }

  async run(): Promise<SlowComparison> {
    const { fast, rounds } = this.#plan;
    const { quick } = this.#settings;
    const target = { port: this.#server.port, format: this.#format };
    const subscribers = await openMany(target, fast);
    await Promise.all(subscribers.map((one) => one.request({ type: "subscribe", topic })));
    const publisher = await Connection.open(target);
    const windows: SlowWindow[] = [];
    const repeated: SlowWindow[] = [];
    const measure = async (round: number, withSlow: boolean) => {
      const { window, disturbed } = await undisturbed({ attempts, quick }, async () => {
        const readers = withSlow ? await this.#slowReaders() : undefined;
        return this.#window(round, publisher, subscribers, readers);
      });
      windows.push(window);
      repeated.push(...disturbed);
    };
    // The first window meets cold code and is not kept.
    await measure(0, false);
    windows.length = 0;
    repeated.length = 0;
    for (let round = 1; round <= rounds; round++) {
      await measure(round, round % 2 === 0);
      await measure(round, round % 2 === 1);
    }
    for (const connection of [...subscribers, publisher]) connection.close();
    return { engine: this.#server.engine, format: this.#format, plan: this.#plan, windows, repeated };
  }

  #slowReaders(): Promise<SlowProcess> {
    const { slowPerKind: perKind, ratePerSecond, textBytes, stopMs, resumeMs } = this.#plan;
    const target = { port: this.#server.port, format: this.#format };
    return startSlowReaders({ target, topic, perKind, ratePerSecond, textBytes, stopMs, resumeMs, finishMs });
  }

  async #window(
    round: number,
    publisher: Connection,
    subscribers: readonly Connection[],
    readers: SlowProcess | undefined,
  ): Promise<SlowWindow> {
    const { ratePerSecond, textBytes } = this.#plan;
    const durationMs = round === 0 ? Math.min(3000, this.#plan.windowMs) : this.#plan.windowMs;
    const seed = this.#settings.seed * 1000 + round;
    const schedule = jitteredSchedule({ ratePerSecond, durationMs, seed });
    readers?.start();
    const result = await measureWindow({
      serverPid: this.#server.pid,
      besidePids: [this.#spinner.pid, ...(readers ? [readers.pid] : [])],
      publisher,
      subscribers,
      frames: new PublishFrames(this.#format, topic, textBytes),
      schedule,
      durationMs,
    });
    const records = (await readers?.finish(schedule.length)) ?? [];
    const flags = flagsOf(result.facts, exempt);
    return { round, withSlow: readers !== undefined, seed, result, flags, readers: records };
  }
}

export async function* slow(settings: RunSettings): AsyncGenerator<SlowComparison> {
  // Else the server's core would halt between publications, and slow readers, which keep it busy, would make fast ones faster.
  const spinner = keepAwake();
  for (const engine of settings.engines) {
    for (const format of settings.formats) {
      const history = { size: slowPlanOf(settings).historySize };
      const namespaces = { [namespace]: { mode: "stream", history } };
      const server = await startProbed("fanwire", engine, { namespaces });
      yield await new Slow(server, format, settings, spinner).run();
      await server.stop();
    }
  }
  spinner.stop();
}

// Benchmark `coalescing`: what `flushWindowMs` buys and what it costs: writes and CPU per delivery and the delay, over windows and
// rates of publication.

import { Connection, openMany } from "../client/connection.ts";
import { PublishFrames } from "../client/payload.ts";
import { measureWindow, type WindowResult } from "../client/window.ts";
import { jitteredSchedule } from "../measure/schedule.ts";
import { sentSegments } from "../measure/sent-segments.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import { type Flag, flagsOf } from "../measure/validity.ts";
import type { Mode, RunSettings } from "../settings.ts";
import { startProbed } from "../targets/probed.ts";
import type { EngineName } from "../targets/servers.ts";

export interface CoalescingPlan {
  readonly rounds: number;
  readonly flushWindowsMs: readonly number[];
  readonly ratesPerSecond: readonly number[];
  readonly subscribers: number;
  readonly textBytes: number;
  readonly windowMs: number;
}

export const coalescingPlanOf = (settings: RunSettings): CoalescingPlan => ({
  flushWindowsMs: [0, 1, 5, 20],
  textBytes: 64,
  ...(settings.quick
    ? { rounds: settings.rounds ?? 1, ratesPerSecond: [200, 2000], subscribers: 4, windowMs: 500 }
    : { rounds: settings.rounds ?? 6, ratesPerSecond: [100, 1000, 4000], subscribers: 10, windowMs: 4000 }),
});

/** Exempt from the rules: that writes are not merged. They are meant to be. */
const exempt = ["coalesced"];

export interface CoalescingWindow {
  readonly round: number;
  readonly flushWindowMs: number;
  readonly ratePerSecond: number;
  readonly result: WindowResult;
  /** TCP segments with data to the subscribers: the writes, as nearly as they can be seen from outside; undefined without `ss`. */
  readonly segments: number | undefined;
  readonly chunks: number;
  readonly flags: readonly Flag[];
}

export interface CoalescingComparison {
  readonly engine: EngineName;
  readonly format: RunSettings["formats"][number];
  readonly mode: Mode;
  readonly plan: CoalescingPlan;
  readonly windows: readonly CoalescingWindow[];
}

const nameOf = (mode: Mode, flushWindowMs: number): string => `${mode}-${flushWindowMs}`;

function namespacesOf({ flushWindowsMs }: CoalescingPlan, modes: readonly Mode[]): object {
  const all = modes.flatMap((mode) =>
    flushWindowsMs.map((flushWindowMs) => [nameOf(mode, flushWindowMs), { mode, flushWindowMs }] as const),
  );
  return Object.fromEntries(all);
}

/** The subscribers of one namespace's topic; each namespace has its own, so that nothing has to be joined anew. */
interface Audience {
  readonly topic: string;
  readonly flushWindowMs: number;
  readonly subscribers: readonly Connection[];
}

class Coalescing {
  readonly #server: { readonly pid: number; readonly port: number };
  readonly #publisher: Connection;
  readonly #plan: CoalescingPlan;
  readonly #settings: RunSettings;

  constructor(server: { pid: number; port: number }, publisher: Connection, settings: RunSettings) {
    this.#server = server;
    this.#publisher = publisher;
    this.#settings = settings;
    this.#plan = coalescingPlanOf(settings);
  }

  async run(mode: Mode): Promise<CoalescingWindow[]> {
    const { flushWindowsMs, ratesPerSecond, rounds } = this.#plan;
    const audiences: Audience[] = [];
    for (const flushWindowMs of flushWindowsMs) audiences.push(await this.#gather(mode, flushWindowMs));
    const cases = audiences.flatMap((audience) => ratesPerSecond.map((rate) => ({ audience, rate })));
    // The first round meets cold code and is not kept.
    for (const { audience, rate } of cases) await this.#measure(audience, rate, 0);
    const windows: CoalescingWindow[] = [];
    const random = seededRandom(this.#settings.seed);
    for (let round = 1; round <= rounds; round++) {
      for (const { audience, rate } of shuffled(cases, random)) {
        windows.push(await this.#measure(audience, rate, round));
      }
    }
    for (const { subscribers } of audiences) for (const subscriber of subscribers) subscriber.close();
    return windows;
  }

  async #gather(mode: Mode, flushWindowMs: number): Promise<Audience> {
    const target = { port: this.#server.port, format: this.#publisher.format, query: "?join=none" };
    const subscribers = await openMany(target, this.#plan.subscribers);
    const topic = `${nameOf(mode, flushWindowMs)}:bench`;
    await Promise.all(subscribers.map((connection) => connection.request({ type: "subscribe", topic })));
    return { topic, flushWindowMs, subscribers };
  }

  async #measure(audience: Audience, ratePerSecond: number, round: number): Promise<CoalescingWindow> {
    const { topic, flushWindowMs, subscribers } = audience;
    const durationMs = round === 0 ? Math.min(500, this.#plan.windowMs) : this.#plan.windowMs;
    const ports = new Set(subscribers.map(({ localPort }) => localPort));
    const before = { segments: sentSegments(this.#server.port, ports), chunks: Connection.totals.chunks };
    const result = await measureWindow({
      serverPid: this.#server.pid,
      publisher: this.#publisher,
      subscribers,
      frames: new PublishFrames(this.#publisher.format, topic, this.#plan.textBytes),
      schedule: jitteredSchedule({ ratePerSecond, durationMs, seed: this.#settings.seed * 1000 + round }),
      durationMs,
    });
    const after = { segments: sentSegments(this.#server.port, ports), chunks: Connection.totals.chunks };
    const isCounted = before.segments !== undefined && after.segments !== undefined;
    const segments = isCounted ? (after.segments as number) - (before.segments as number) : undefined;
    const chunks = after.chunks - before.chunks;
    return {
      round,
      flushWindowMs,
      ratePerSecond,
      result,
      segments,
      chunks,
      flags: flagsOf(result.facts, exempt),
    };
  }
}

export async function* coalescing(settings: RunSettings): AsyncGenerator<CoalescingComparison> {
  const plan = coalescingPlanOf(settings);
  for (const engine of settings.engines) {
    const server = await startProbed("fanwire", engine, { namespaces: namespacesOf(plan, settings.modes) });
    for (const format of settings.formats) {
      const publisher = await Connection.open({ port: server.port, format, query: "?join=none" });
      for (const mode of settings.modes) {
        const windows = await new Coalescing(server, publisher, settings).run(mode);
        yield { engine, format, mode, plan, windows };
      }
      publisher.close();
    }
    await server.stop();
  }
}

// Benchmark `cross`: how long a publication takes to a subscriber on another node, beside the same on one node in memory and a bare
// round trip through the same Redis.

import { Connection } from "../client/connection.ts";
import { type Format, type Frames, IdempotentFrames, PublishFrames } from "../client/payload.ts";
import { measureAlternating, type WindowResult, type WindowSide, WindowTotals } from "../client/window.ts";
import { createHistogram, type Histogram } from "../measure/histogram.ts";
import { alternating, jitteredSchedule } from "../measure/schedule.ts";
import { undisturbed, windowSeed } from "../measure/undisturbed.ts";
import { type Flag, flagsOf } from "../measure/validity.ts";
import type { Mode, RunSettings } from "../settings.ts";
import { type AskedProcess, startBareRedis } from "../targets/asked.ts";
import { type RedisProcess, startRedis } from "../targets/redis.ts";
import { type EngineName, keepAwake, type ServerProcess, startServer } from "../targets/servers.ts";

export interface CrossPlan {
  readonly rounds: number;
  /** Of each of the two sides, and of the bare round trips. */
  readonly ratePerSecond: number;
  readonly windowMs: number;
  readonly warmUpMs: number;
}

export const crossPlanOf = (settings: RunSettings): CrossPlan => ({
  ratePerSecond: 200,
  ...(settings.quick
    ? { rounds: settings.rounds ?? 1, windowMs: 200, warmUpMs: 300 }
    : { rounds: settings.rounds ?? 8, windowMs: 1500, warmUpMs: 3000 }),
});

const hotRate = 2000;
const sliceMs = 20;
const attempts = 4;
const pauseMs = 500;

/** `text` of a publication: the whole `data` is then 64 bytes of JSON, as in `fanout`. */
const textBytes = 36;
/** What a bare message has: about as many bytes as an envelope with one publication. */
const bareBytes = 110;

/**
 * Exempt, because what is compared counts from the moment a publication really left, so that the publisher's lateness is no
 * server's; the publisher waits for nobody.
 */
const exempt = ["publisher-late"];

/** The engines of the publishing and of the receiving node. */
export type Pair = readonly [EngineName, EngineName];

export function pairsOf(engines: readonly EngineName[]): readonly Pair[] {
  const alike = engines.map((engine): Pair => [engine, engine]);
  return engines.length > 1 ? [...alike, [engines[0], engines[1]] as Pair] : alike;
}

export interface CrossRound {
  readonly round: number;
  readonly memory: WindowResult;
  readonly cross: WindowResult;
  /** Nanoseconds. */
  readonly publishNs: readonly number[];
  readonly pingNs: readonly number[];
  readonly flags: readonly Flag[];
}

export interface CrossComparison {
  readonly pair: Pair;
  readonly format: Format;
  readonly mode: Mode;
  readonly hasKeys: boolean;
  readonly plan: CrossPlan;
  readonly redisVersion: string;
  readonly rounds: readonly CrossRound[];
  readonly repeated: number;
  readonly totals: { readonly memory: WindowTotals; readonly cross: WindowTotals };
  readonly bare: { readonly publish: Histogram; readonly ping: Histogram };
}

export const topicOf = (mode: Mode): string => `${mode === "volatile" ? "game" : "room"}:cross`;

/** A node that publications enter, and its publisher. */
interface Entrance {
  readonly server: ServerProcess;
  readonly publisher: Connection;
}

/** Everything a pair is measured with: two nodes on a Redis, a node in memory, and the bare control. */
class Stand {
  readonly #settings: RunSettings;
  readonly #format: Format;
  readonly #redis: RedisProcess;
  readonly #entrance: Entrance;
  readonly #other: ServerProcess;
  readonly #memory: Entrance;
  readonly #control: AskedProcess;
  readonly #spinnerPid: number | undefined;
  readonly pair: Pair;

  private constructor(
    pair: Pair,
    parts: {
      redis: RedisProcess;
      entrance: Entrance;
      other: ServerProcess;
      memory: Entrance;
      control: AskedProcess;
    },
    settings: RunSettings,
    format: Format,
    spinnerPid: number | undefined,
  ) {
    this.pair = pair;
    this.#redis = parts.redis;
    this.#entrance = parts.entrance;
    this.#other = parts.other;
    this.#memory = parts.memory;
    this.#control = parts.control;
    this.#settings = settings;
    this.#format = format;
    this.#spinnerPid = spinnerPid;
  }

  static async start(pair: Pair, format: Format, settings: RunSettings, spinnerPid?: number): Promise<Stand> {
    const redis = await startRedis();
    const enter = async (server: ServerProcess): Promise<Entrance> => ({
      server,
      publisher: await Connection.open({ port: server.port, format, query: "?join=none" }),
    });
    const entrance = await enter(await startServer("fanwire", pair[0], { redisUrl: redis.url }));
    const other = await startServer("fanwire", pair[1], { redisUrl: redis.url });
    const memory = await enter(await startServer("fanwire", pair[0]));
    const control = await startBareRedis(pair[0], redis.url);
    return new Stand(pair, { redis, entrance, other, memory, control }, settings, format, spinnerPid);
  }

  /** The publishing node has a subscriber too, as most have: what that costs the other one is in the figure. */
  async compare(mode: Mode, hasKeys: boolean): Promise<CrossComparison> {
    const topic = topicOf(mode);
    const [near, far, alone] = await Promise.all([
      this.#subscriber(this.#entrance.server, topic),
      this.#subscriber(this.#other, topic),
      this.#subscriber(this.#memory.server, topic),
    ]);
    const plan = crossPlanOf(this.#settings);
    const { quick, seed } = this.#settings;
    const totals = { memory: new WindowTotals(), cross: new WindowTotals() };
    const bare = { publish: createHistogram(), ping: createHistogram() };
    const rounds: CrossRound[] = [];
    let repeated = 0;
    const measure = (name: string, seed: number) => {
      const frames = () => this.#frames(topic, hasKeys ? `${name}-` : undefined);
      const sides = [
        {
          serverPid: this.#memory.server.pid,
          publisher: this.#memory.publisher,
          subscribers: [alone],
          frames: frames(),
        },
        {
          serverPid: this.#other.pid,
          publisher: this.#entrance.publisher,
          subscribers: [far],
          frames: frames(),
        },
      ] as const;
      return this.#round(sides, plan, name === "warm-up" ? undefined : seed);
    };
    await measure("warm-up", 0);
    for (let round = 1; round <= plan.rounds; round++) {
      const { window, disturbed } = await undisturbed({ attempts, pauseMs, quick }, (attempt) =>
        measure(`${round}-${attempt}`, windowSeed(seed, round, attempt)),
      );
      repeated += disturbed.length;
      rounds.push({ round, ...window });
      totals.memory.add(window.memory);
      totals.cross.add(window.cross);
      for (const ns of window.publishNs) bare.publish.recordValue(ns);
      for (const ns of window.pingNs) bare.ping.recordValue(ns);
    }
    for (const subscriber of [near, far, alone]) subscriber.close();
    const { pair } = this;
    const redisVersion = this.#redis.version;
    const format = this.#format;
    return { pair, format, mode, hasKeys, plan, redisVersion, rounds, repeated, totals, bare };
  }

  async stop(): Promise<void> {
    for (const { publisher, server } of [this.#entrance, this.#memory]) {
      publisher.close();
      await server.stop();
    }
    await this.#other.stop();
    await this.#control.quit();
    await this.#redis.stop();
  }

  /** Both sides in turns of 20 ms, and the bare round trips right after. Without a seed: a warm-up, at a high rate. */
  async #round(
    sides: readonly WindowSide[],
    plan: CrossPlan,
    seed: number | undefined,
  ): Promise<Omit<CrossRound, "round">> {
    const durationMs = seed === undefined ? plan.warmUpMs : plan.windowMs;
    const ratePerSecond = seed === undefined ? hotRate : plan.ratePerSecond;
    const schedule = jitteredSchedule({ ratePerSecond, durationMs, seed: seed ?? 0 });
    const beside = [this.#entrance.server.pid, this.#redis.pid, this.#control.pid];
    const [memory, cross] = (await measureAlternating({
      sides,
      schedule: alternating(schedule, sliceMs, ((seed ?? 0) % 2) as 0 | 1),
      besidePids: this.#spinnerPid === undefined ? beside : [...beside, this.#spinnerPid],
      durationMs: 2 * durationMs,
      pacing: { leastGapNs: 0.5e9 / ratePerSecond, isSleepless: true },
    })) as [WindowResult, WindowResult];
    const { publishNs, pingNs } = await this.#control.ask<{ publishNs: number[]; pingNs: number[] }>({
      roundTrips: {
        count: Math.round((durationMs / 1000) * plan.ratePerSecond),
        perSecond: plan.ratePerSecond,
        payloadBytes: bareBytes,
      },
    });
    const flags = [memory, cross].flatMap(({ facts }) => flagsOf(facts, exempt));
    return { memory, cross, publishNs, pingNs, flags };
  }

  #frames(topic: string, keyPrefix: string | undefined): Frames {
    if (keyPrefix === undefined) return new PublishFrames(this.#format, topic, textBytes);
    return new IdempotentFrames(this.#format, topic, textBytes, keyPrefix);
  }

  async #subscriber({ port }: ServerProcess, topic: string): Promise<Connection> {
    const connection = await Connection.open({ port, format: this.#format, query: "?join=none" });
    await connection.request({ type: "subscribe", topic });
    return connection;
  }
}

/** Stream with and without idempotency keys, which volatile topics do not have. */
export async function* cross(settings: RunSettings): AsyncGenerator<CrossComparison> {
  const spinner = settings.halt ? undefined : keepAwake();
  for (const pair of pairsOf(settings.engines)) {
    for (const format of settings.formats) {
      const stand = await Stand.start(pair, format, settings, spinner?.pid);
      for (const mode of settings.modes) {
        yield await stand.compare(mode, false);
        if (mode === "stream") yield await stand.compare(mode, true);
      }
      await stand.stop();
    }
  }
  spinner?.stop();
}

// Benchmark `javascript`: the JavaScript of a publication, outside the engine's publish, at 10 and at 10,000 subscribers.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Connection, openMany } from "../client/connection.ts";
import { Deliveries } from "../client/deliveries.ts";
import { pace } from "../client/pace.ts";
import { type Format, PublishFrames } from "../client/payload.ts";
import { Receivers } from "../client/window.ts";
import { type ProfileRow, summariseProfile } from "../measure/profile.ts";
import { jitteredSchedule } from "../measure/schedule.ts";
import { seededRandom } from "../measure/stats.ts";
import type { Mode, RunSettings } from "../settings.ts";
import {
  type EngineName,
  type HostSamples,
  type JavascriptHost,
  keepAwake,
  type PublicationTimes,
  startHost,
} from "../targets/servers.ts";

export interface JavascriptPlan {
  readonly rounds: number;
  readonly sizes: readonly [number, number];
  readonly ratePerSecond: number;
  readonly roundMs: number;
  readonly warmUpPublications: number;
}

export const javascriptPlanOf = (settings: RunSettings): JavascriptPlan =>
  settings.quick
    ? {
        rounds: settings.rounds ?? 2,
        sizes: [10, 500],
        ratePerSecond: 15,
        roundMs: 2000,
        warmUpPublications: 2000,
      }
    : {
        rounds: settings.rounds ?? 10,
        sizes: [10, 10_000],
        // A publication to 10,000 takes the server some 80 ms, and the least distance is half a period.
        ratePerSecond: 4,
        roundMs: 10_000,
        warmUpPublications: 20_000,
      };

const warmUpRate = 2000;
/** Publications to a third topic right before each measured one. */
const warmersBefore = 20;
export const warmerSize = 1;
const textBytes = 36;
const graceMs = 10_000;

const topicOf = (mode: Mode, size: number): string =>
  `${mode === "volatile" ? "game" : "room"}:javascript-${size}`;

export interface JavascriptRound {
  /** By number of subscribers. */
  readonly samples: Record<number, PublicationTimes>;
  readonly expected: number;
  readonly received: number;
  readonly lost: number;
  readonly disordered: number;
}

export interface JavascriptComparison {
  readonly engine: EngineName;
  readonly format: Format;
  readonly mode: Mode;
  readonly plan: JavascriptPlan;
  readonly rounds: JavascriptRound[];
  readonly profile: readonly ProfileRow[];
}

/** A host with both groups of subscribers and a publisher. */
class Group {
  readonly host: JavascriptHost;
  readonly #format: Format;
  readonly #publisher: Connection;
  readonly #subscribers: ReadonlyMap<number, readonly Connection[]>;

  private constructor(
    host: JavascriptHost,
    format: Format,
    publisher: Connection,
    subscribers: ReadonlyMap<number, readonly Connection[]>,
  ) {
    this.host = host;
    this.#format = format;
    this.#publisher = publisher;
    this.#subscribers = subscribers;
  }

  static async connect(host: JavascriptHost, format: Format, sizes: readonly number[]): Promise<Group> {
    const target = { port: host.port, format };
    const subscribers = new Map<number, readonly Connection[]>();
    for (const size of sizes) {
      const connections = await openMany(target, size);
      subscribers.set(size, connections);
      for (const mode of ["volatile", "stream"] as const) {
        const frame = { type: "subscribe", topic: topicOf(mode, size) };
        await Promise.all(connections.map((connection) => connection.request(frame)));
      }
    }
    return new Group(host, format, await Connection.open(target), subscribers);
  }

  /** `pick`: the size of the group that a publication goes to. */
  async publish(
    mode: Mode,
    schedule: Float64Array,
    pick: (index: number) => number,
  ): Promise<JavascriptRound> {
    const counts = new Map<number, number>();
    const picks = [...schedule].map((_, i) => {
      const size = pick(i);
      const sequence = counts.get(size) ?? 0;
      counts.set(size, sequence + 1);
      return { size, sequence };
    });
    const accounts = new Map<number, Deliveries>();
    const frames = new Map<number, PublishFrames>();
    for (const [size, publications] of counts) {
      const connections = this.#subscribers.get(size) as readonly Connection[];
      const deliveries = new Deliveries({ publications, subscribers: size });
      const receivers = new Receivers(deliveries, connections[0] as Connection);
      for (const connection of connections) connection.listener = receivers;
      accounts.set(size, deliveries);
      frames.set(size, new PublishFrames(this.#format, topicOf(mode, size), textBytes));
    }
    await pace(schedule, (index, intendedAt) => {
      const { size, sequence } = picks[index] as (typeof picks)[number];
      accounts.get(size)?.publishing(sequence, intendedAt, Bun.nanoseconds());
      this.#publisher.write((frames.get(size) as PublishFrames).at(sequence));
    });
    const all = [...accounts.values()];
    await Promise.all(all.map((deliveries) => deliveries.complete(graceMs)));
    const sum = (name: "expected" | "received" | "lost" | "disordered") =>
      all.reduce((total, deliveries) => total + deliveries[name], 0);
    return {
      samples: bySize(await this.host.report(), [...counts.keys()], mode),
      expected: sum("expected"),
      received: sum("received"),
      lost: sum("lost"),
      disordered: sum("disordered"),
    };
  }
}

/** Native topics are named by the server in its own way; the topic's name ends theirs or begins it. */
function bySize(samples: HostSamples, sizes: readonly number[], mode: Mode): JavascriptRound["samples"] {
  const found: JavascriptRound["samples"] = {};
  for (const size of sizes) {
    const topic = topicOf(mode, size);
    const native = Object.keys(samples).find((name) => name.endsWith(topic) || name.startsWith(`${topic}\0`));
    if (native === undefined) throw new Error(`no sample for ${topic} in ${Object.keys(samples).join(" ")}`);
    found[size] = samples[native] as PublicationTimes;
  }
  return found;
}

const warmUp = (group: Group, mode: Mode, plan: JavascriptPlan): Promise<JavascriptRound> => {
  const durationMs = (plan.warmUpPublications / warmUpRate) * 1000;
  const schedule = jitteredSchedule({ ratePerSecond: warmUpRate, durationMs, seed: 1 });
  return group.publish(mode, schedule, () => warmerSize);
};

/** What is published when, and to which size. */
interface Programme {
  readonly schedule: Float64Array;
  readonly sizes: readonly number[];
}

/**
 * Each measured publication goes to one of the two sizes, drawn anew, and follows a run of small ones a millisecond apart:
 * both sizes meet code and data in the same caches, as warm as a busy server's.
 */
export function programme(plan: JavascriptPlan, seed: number): Programme {
  const random = seededRandom(seed);
  const { ratePerSecond, roundMs: durationMs } = plan;
  const measured = jitteredSchedule({ ratePerSecond, durationMs, seed });
  const schedule: number[] = [];
  const sizes: number[] = [];
  measured.forEach((at, i) => {
    for (let before = 0; before < warmersBefore; before++) {
      schedule.push(at + before * 1e6);
      sizes.push(warmerSize);
    }
    schedule.push(at + warmersBefore * 1e6);
    // The first two are given, so that no round is without one of the sizes.
    sizes.push(plan.sizes[i < 2 ? i : random() < 0.5 ? 0 : 1] as number);
  });
  return { schedule: Float64Array.from(schedule), sizes };
}

async function measure(
  group: Group,
  mode: Mode,
  plan: JavascriptPlan,
  seed: number,
): Promise<JavascriptRound[]> {
  await warmUp(group, mode, plan);
  const rounds: JavascriptRound[] = [];
  for (let round = 1; round <= plan.rounds; round++) {
    const { schedule, sizes } = programme(plan, seed * 1000 + round);
    rounds.push(await group.publish(mode, schedule, (i) => sizes[i] as number));
  }
  return rounds;
}

/** Another host under the profiler, which slows what it watches: its times are in no figure. */
async function profiled(
  engine: EngineName,
  format: Format,
  mode: Mode,
  plan: JavascriptPlan,
): Promise<readonly ProfileRow[]> {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-profile-"));
  const host = await startHost(engine, folder);
  const group = await Group.connect(host, format, [warmerSize]);
  await warmUp(group, mode, plan);
  await host.quit();
  const [file] = readdirSync(folder);
  if (file === undefined) throw new Error("the runtime wrote no profile");
  const rows = summariseProfile(readFileSync(join(folder, file), "utf8"));
  rmSync(folder, { recursive: true });
  return rows;
}

export async function* javascript(settings: RunSettings): AsyncGenerator<JavascriptComparison> {
  const plan = javascriptPlanOf(settings);
  const spinner = settings.halt ? undefined : keepAwake();
  for (const engine of settings.engines) {
    for (const format of settings.formats) {
      const host = await startHost(engine);
      const group = await Group.connect(host, format, [warmerSize, ...plan.sizes]);
      for (const mode of settings.modes) {
        const rounds = await measure(group, mode, plan, settings.seed);
        const profile = await profiled(engine, format, mode, plan);
        yield { engine, format, mode, plan, rounds, profile };
      }
      await host.quit();
    }
  }
  spinner?.stop();
}

// Benchmark `cross-cpu`: what a publication costs the node where the application makes it, and the node where its subscriber is, fifty
// in a turn; bare ioredis moves the same bytes beside them.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packPublication, packRelay } from "../../src/bridge/envelope.ts";
import { Connection } from "../client/connection.ts";
import { firstSequence } from "../client/payload.ts";
import { Tally } from "../client/tally.ts";
import { type CpuSnapshot, cpuBetween, readCpu, readMachine } from "../measure/cpu.ts";
import { type ProfileRow, summariseProfile } from "../measure/profile.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import { undisturbed } from "../measure/undisturbed.ts";
import type { Mode, RunSettings } from "../settings.ts";
import { type AskedProcess, startBareRedis, startLibraryHost } from "../targets/asked.ts";
import { type RedisProcess, startRedis } from "../targets/redis.ts";
import { config, cores, type EngineName, keepAwake, type Spinner } from "../targets/servers.ts";
import { windowFlags } from "./cross-cpu-flags.ts";

export const perTurn = 50;
const textBytes = 36;
/** At a window while something else disturbs the machine. */
const attempts = 4;

/** What a node publishes in a window, or bare ioredis: so many topics or messages a turn. */
export interface CpuArm {
  readonly name: string;
  readonly mode: Mode | "bare";
  readonly hasKeys: boolean;
  /** Over so many topics a turn is spread; with `bare`: so many messages it makes. */
  readonly spread: number;
  /** Turns a second, where it is not the plan's. */
  readonly perSecond?: number;
}

/** Keys and topics take Redis so long that it has no time for a thousand turns beside the node on its core. */
export const arms: readonly CpuArm[] = [
  { name: "volatile", mode: "volatile", hasKeys: false, spread: 1 },
  { name: "stream", mode: "stream", hasKeys: false, spread: 1 },
  { name: "stream, keys", mode: "stream", hasKeys: true, spread: 1, perSecond: 400 },
  { name: "volatile, 50 topics", mode: "volatile", hasKeys: false, spread: perTurn, perSecond: 400 },
  { name: "stream, 50 topics", mode: "stream", hasKeys: false, spread: perTurn, perSecond: 100 },
  { name: "bare ioredis, 1 message", mode: "bare", hasKeys: false, spread: 1 },
  { name: "bare ioredis, 50 messages", mode: "bare", hasKeys: false, spread: perTurn },
];

export interface CrossCpuPlan {
  readonly rounds: number;
  readonly turnsPerSecond: number;
  readonly windowTurns: number;
  readonly warmUpTurns: number;
  readonly profileTurns: number;
}

export const crossCpuPlanOf = (settings: RunSettings): CrossCpuPlan => ({
  turnsPerSecond: 1000,
  ...(settings.quick
    ? { rounds: settings.rounds ?? 1, windowTurns: 200, warmUpTurns: 200, profileTurns: 0 }
    : { rounds: settings.rounds ?? 10, windowTurns: 1000, warmUpTurns: 3000, profileTurns: 5000 }),
});

/** One arm in one round. CPU in nanoseconds; counts of publications unless they say otherwise. */
export interface CpuWindow {
  readonly arm: string;
  readonly round: number;
  readonly wanted: number;
  readonly accepted: number;
  readonly received: number;
  readonly lost: number;
  readonly disordered: number;
  /** Frames that the subscriber was sent and that are no publication. */
  readonly unexpected: number;
  readonly publishingNs: number;
  readonly receivingNs: number;
  readonly redisNs: number;
  readonly foreignNs: number;
  readonly stealNs: number;
  readonly wallNs: number;
  /** PUBLISH commands that Redis executed for one turn, and how many it takes. */
  readonly messagesPerTurn: number;
  readonly messagesWanted: number;
}

export interface CrossCpuComparison {
  readonly engine: EngineName;
  readonly plan: CrossCpuPlan;
  readonly redisVersion: string;
  readonly windows: readonly CpuWindow[];
  /** Windows that were measured again because something disturbed the machine. */
  readonly repeated: number;
  readonly profiles: readonly { arm: string; node: string; rows: readonly ProfileRow[] }[];
}

/** What the library's application is given: production's defaults, but for what protects a node from strangers. */
const optionsFor = (redis: RedisProcess) => ({
  port: 0,
  logLevel: "silent",
  redis: { urls: [redis.url] },
  limits: config.limits,
});

const topicOf = ({ mode, spread }: CpuArm): string =>
  `${mode === "volatile" ? "game" : "room"}:cpu-${spread}`;

/** Of one message of the bare control, so that a turn has as many bytes as fanwire's: the envelope of its publications. */
export function bareBytesOf(spread: number): number {
  const publication = {
    data: { seq: firstSequence, text: "x".repeat(textBytes) },
    timestamp: 1_790_000_000_000,
  };
  const packed = Array.from({ length: perTurn / spread }, () => packPublication(publication));
  return packRelay("i".repeat(12), packed).length;
}

/**
 * The publishing side and Redis have the servers' core, the receiving side has the generator's, which only counts what arrives:
 * both nodes together would be too much for one.
 */
class Stand {
  readonly #redis: RedisProcess;
  readonly #publishing: AskedProcess;
  readonly #receiving: AskedProcess;
  readonly #barePublishing: AskedProcess;
  readonly #bareReceiving: AskedProcess;
  readonly #subscriber: Connection;
  readonly #plan: CrossCpuPlan;
  readonly #spinners: readonly Spinner[];
  #windows = 0;
  #heard = 0;

  private constructor(
    redis: RedisProcess,
    nodes: readonly AskedProcess[],
    subscriber: Connection,
    plan: CrossCpuPlan,
    spinners: readonly Spinner[],
  ) {
    this.#redis = redis;
    [this.#publishing, this.#receiving, this.#barePublishing, this.#bareReceiving] = nodes as [
      AskedProcess,
      AskedProcess,
      AskedProcess,
      AskedProcess,
    ];
    this.#subscriber = subscriber;
    this.#plan = plan;
    this.#spinners = spinners;
  }

  static async start(
    engine: EngineName,
    plan: CrossCpuPlan,
    spinners: readonly Spinner[],
    profileFolders: { readonly publishing?: string; readonly receiving?: string } = {},
  ): Promise<Stand> {
    const redis = await startRedis();
    const { publishing, receiving } = profileFolders;
    const there = { core: cores.generator };
    const profiled = (folder: string | undefined) => (folder === undefined ? {} : { profileFolder: folder });
    const nodes = [
      await startLibraryHost(engine, optionsFor(redis), profiled(publishing)),
      await startLibraryHost(engine, optionsFor(redis), { ...there, ...profiled(receiving) }),
      await startBareRedis(engine, redis.url),
      await startBareRedis(engine, redis.url, there),
    ];
    const port = nodes[1]?.port as number;
    const subscriber = await Connection.open({ port, format: "json", query: "?join=none" });
    const stand = new Stand(redis, nodes, subscriber, plan, spinners);
    for (const arm of arms) await stand.#join(arm);
    return stand;
  }

  async #join(arm: CpuArm): Promise<void> {
    const names = Array.from({ length: arm.spread }, (_, i) => `${topicOf(arm)}-${i}`);
    if (arm.mode === "bare") {
      if (arm.spread === 1) await this.#bareReceiving.ask({ listen: "bare" });
      return;
    }
    for (const topic of arm.spread === 1 ? [topicOf(arm)] : names) {
      await this.#subscriber.request({ type: "subscribe", topic });
    }
  }

  async measure(arm: CpuArm, round: number, turns: number): Promise<CpuWindow> {
    const isBare = arm.mode === "bare";
    const wanted = turns * perTurn;
    const tally = new Tally(this.#subscriber, wanted, arm.spread === 1);
    const [publishing, receiving] = isBare
      ? [this.#barePublishing, this.#bareReceiving]
      : [this.#publishing, this.#receiving];
    const used = [publishing, receiving, this.#redis];
    const beside = [this.#publishing, this.#receiving, this.#barePublishing, this.#bareReceiving];
    const others = [process, ...this.#spinners, ...beside.filter((one) => !used.includes(one))];
    const all = [...used, ...others].map(({ pid }) => pid);
    const commands = await this.#redis.counts();
    const before = { at: Bun.nanoseconds(), machine: readMachine(), cpu: all.map(readCpu) };
    const answer = await publishing.ask<{ accepted: number }>(this.#question(arm, turns));
    // The bare control's message stands for its share of a turn.
    const weight = isBare ? perTurn / arm.spread : 1;
    const received = weight * (isBare ? await this.#bareHeard(turns * arm.spread) : await tally.complete());
    const usedNs = all.map((pid, i) => cpuBetween(before.cpu[i] as CpuSnapshot, readCpu(pid)).ns);
    const after = { at: Bun.nanoseconds(), machine: readMachine() };
    const published = this.#redis.between(commands, await this.#redis.counts()).commands.publish ?? 0;
    const [publishingNs = 0, receivingNs = 0, redisNs = 0] = usedNs;
    const busyNs = after.machine.busyNs - before.machine.busyNs;
    return {
      ...{ arm: arm.name, round, wanted, accepted: weight * answer.accepted, received },
      lost: isBare ? 0 : tally.lost,
      disordered: isBare ? 0 : tally.disordered,
      unexpected: tally.unexpected,
      ...{ publishingNs, receivingNs, redisNs },
      foreignNs: Math.max(0, busyNs - usedNs.reduce((sum, ns) => sum + ns, 0)),
      stealNs: after.machine.stealNs - before.machine.stealNs,
      wallNs: after.at - before.at,
      messagesPerTurn: published / turns,
      messagesWanted: arm.spread,
    };
  }

  #question(arm: CpuArm, turns: number): object {
    const perSecond = arm.perSecond ?? this.#plan.turnsPerSecond;
    if (arm.mode === "bare") {
      const messageBytes = bareBytesOf(arm.spread);
      return { publish: { channel: "bare", turns, perSecond, messagesPerTurn: arm.spread, messageBytes } };
    }
    const keyPrefix = arm.hasKeys ? `${++this.#windows}-` : undefined;
    const topic = topicOf(arm);
    return {
      publish: { topic, topics: arm.spread, turns, perSecond, perTurn, textBytes, keyPrefix },
    };
  }

  /** How many of the bare control's messages have arrived since it was last asked; waits for them a little. */
  async #bareHeard(wanted: number): Promise<number> {
    for (let tries = 0; ; tries++) {
      const { messages } = await this.#bareReceiving.ask<{ messages: number }>({ heard: true });
      const more = messages - this.#heard;
      if (more >= wanted || tries === 20) {
        this.#heard = messages;
        return more;
      }
      await Bun.sleep(5);
    }
  }

  get redisVersion(): string {
    return this.#redis.version;
  }

  async stop(): Promise<void> {
    this.#subscriber.cut();
    for (const node of [this.#publishing, this.#receiving, this.#barePublishing, this.#bareReceiving]) {
      await node.quit();
    }
    await this.#redis.stop();
  }
}

/** Slower arms' windows are as long as the others'. */
const turnsOf = (arm: CpuArm, plan: CrossCpuPlan, turns = plan.windowTurns): number =>
  Math.round((turns * (arm.perSecond ?? plan.turnsPerSecond)) / plan.turnsPerSecond);

/** Other nodes under the profiler, which slows what it watches: their times are in no figure. */
async function profiled(engine: EngineName, arm: CpuArm, plan: CrossCpuPlan) {
  const folders = {
    publishing: mkdtempSync(join(tmpdir(), "fanwire-profile-")),
    receiving: mkdtempSync(join(tmpdir(), "fanwire-profile-")),
  };
  const stand = await Stand.start(engine, plan, [], folders);
  await stand.measure(arm, 0, plan.profileTurns);
  await stand.stop();
  return Object.entries(folders).map(([node, folder]) => {
    const [file] = readdirSync(folder);
    if (file === undefined) throw new Error("the runtime wrote no profile");
    const rows = summariseProfile(readFileSync(join(folder, file), "utf8"));
    rmSync(folder, { recursive: true });
    return { arm: arm.name, node, rows };
  });
}

export async function* crossCpu(settings: RunSettings): AsyncGenerator<CrossCpuComparison> {
  const plan = crossCpuPlanOf(settings);
  const random = seededRandom(settings.seed);
  const chosen = arms.filter(({ mode }) => mode === "bare" || settings.modes.includes(mode));
  for (const engine of settings.engines) {
    const spinners = settings.halt ? [] : [keepAwake(cores.server), keepAwake(cores.generator)];
    const stand = await Stand.start(engine, plan, spinners);
    for (const arm of chosen) await stand.measure(arm, 0, turnsOf(arm, plan, plan.warmUpTurns));
    const windows: CpuWindow[] = [];
    let repeated = 0;
    for (let round = 1; round <= plan.rounds; round++) {
      for (const arm of shuffled(chosen, random)) {
        const { window, disturbed } = await undisturbed({ attempts, quick: settings.quick }, async () => {
          const measured = await stand.measure(arm, round, turnsOf(arm, plan));
          return { measured, flags: windowFlags(measured) };
        });
        windows.push(window.measured);
        repeated += disturbed.length;
      }
    }
    await stand.stop();
    for (const spinner of spinners) spinner.stop();
    const profiles = [];
    for (const arm of plan.profileTurns > 0 ? chosen : []) {
      if (arm.mode !== "bare" && arm.spread === 1) profiles.push(...(await profiled(engine, arm, plan)));
    }
    yield { engine, plan, redisVersion: stand.redisVersion, windows, repeated, profiles };
  }
}

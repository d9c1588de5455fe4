// Benchmark `fanout`: server CPU per publication as a + b·S over S subscribers, fanwire and the bare engine side by side.

import { Connection, openMany } from "../client/connection.ts";
import { maskedFrame, opcode } from "../client/frames.ts";
import { openLivedIn } from "../client/lived-in.ts";
import { type Format, PublishFrames, SequencePlace } from "../client/payload.ts";
import {
  measureAlternating,
  measureWindow,
  type WindowResult,
  type WindowSide,
  WindowTotals,
} from "../client/window.ts";
import { alternating, jitteredSchedule } from "../measure/schedule.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import { undisturbed, windowSeed } from "../measure/undisturbed.ts";
import { upkeepMsPerSecond } from "../measure/upkeep.ts";
import { type Flag, flagsOf } from "../measure/validity.ts";
import type { Mode, RunSettings } from "../settings.ts";
import { type Arm, type EngineName, keepAwake, type ServerProcess, startServer } from "../targets/servers.ts";

/**
 * Sizes, and publications per second while a server has its turn. They keep both processes under some 60 % of their core, and
 * let each publication leave alone: it takes a server 30 to 100 µs up to 8 subscribers and 8 ms at 1,000, and half a period
 * lies between two, so that none is overtaken even when the machine takes a core away for a tenth of a millisecond, as it
 * does many times a second. At 4,000 a second one in twenty was merged with its neighbour, and what is merged looks cheaper
 * than it is; at 1,000 the JavaScript of both arms runs cold.
 */
export const groups = [
  { subscribers: 1, ratePerSecond: 2000 },
  { subscribers: 8, ratePerSecond: 1500 },
  { subscribers: 64, ratePerSecond: 400 },
  { subscribers: 1000, ratePerSecond: 50 },
] as const;

type Group = (typeof groups)[number];

/** `text` of a publication: the whole `data` is then 64 bytes of JSON. */
const textBytes = 36;

/** How many frames a bare engine publishes in turn; they stay in its processor cache. */
const ringSize = 256;

/** Attempts at a window while something else disturbs the machine, and the wait before the next. */
const attempts = 6;
const pauseMs = 500;

const topicOf = (mode: Mode, group: Group): string =>
  `${mode === "volatile" ? "game" : "room"}:fanout-${group.subscribers}`;

/** One server with its subscribers, a group of them per size. */
interface Side {
  readonly arm: Arm;
  readonly server: ServerProcess;
  readonly format: Format;
  readonly subscribers: ReadonlyMap<Group, readonly Connection[]>;
}

async function connect(server: ServerProcess, format: Format): Promise<Side> {
  const subscribers = new Map<Group, readonly Connection[]>();
  for (const group of groups) {
    const bare = server.arm === "bare" ? { query: `?topics=t-${group.subscribers}` } : {};
    const open = async (count: number) => {
      const connections = await openMany({ port: server.port, format, ...bare }, count);
      if (server.arm === "bare") return connections;
      for (const mode of ["volatile", "stream"] as const) {
        const topic = topicOf(mode, group);
        await Promise.all(connections.map((one) => one.request({ type: "subscribe", topic })));
      }
      return connections;
    };
    subscribers.set(group, await openLivedIn(group.subscribers, open));
  }
  return { arm: server.arm, server, format, subscribers };
}

function disconnect(side: Side): void {
  for (const group of side.subscribers.values()) for (const connection of group) connection.close();
}

/** A bare engine's publisher, its ring filled with copies of a frame that fanwire delivered. */
async function barePublisher(side: Side, group: Group, sample: Buffer): Promise<Connection> {
  const query = `?publish=t-${group.subscribers}&ring=${ringSize}`;
  const publisher = await Connection.open({ port: side.server.port, format: side.format, query });
  const place = new SequencePlace(side.format);
  const copy = Buffer.from(sample);
  for (let sequence = 0; sequence < ringSize; sequence++) {
    place.write(copy, 0, copy.length, sequence);
    publisher.write(maskedFrame(side.format === "json" ? opcode.text : opcode.binary, copy));
  }
  return publisher;
}

export interface FanoutWindow {
  readonly arm: Arm;
  readonly round: number;
  readonly subscribers: number;
  readonly seed: number;
  readonly publications: number;
  readonly serverNs: number;
  readonly generatorNs: number;
  readonly wallNs: number;
  readonly frameBytes: number;
  readonly facts: WindowResult["facts"];
  readonly flags: readonly Flag[];
}

export interface FanoutComparison {
  readonly engine: EngineName;
  readonly format: Format;
  readonly mode: Mode;
  readonly windows: FanoutWindow[];
  /** Windows that were measured again because something disturbed the machine. */
  readonly repeated: { round: number; subscribers: number; flags: readonly Flag[] }[];
  readonly totals: Record<Arm, Map<number, WindowTotals>>;
  /** CPU of the servers while nothing is published. */
  readonly upkeepMsPerSecond: Record<Arm, number>;
}

interface Plan {
  readonly rounds: number;
  /** How long each arm publishes in a window, by number of subscribers. */
  readonly windowMs: Readonly<Record<Group["subscribers"], number>>;
  /** How long an arm publishes before it is the other one's turn: once to 1,000 subscribers, twenty times to one. */
  readonly sliceMs: number;
  /** Of the warm-up at a high rate. */
  readonly hotMs: number;
  /** Seconds of rest whose CPU is looked at for the upkeep. */
  readonly restSeconds: number;
}

const hotRate = 6000;
/** What the garbage of the warm-up, and presence that ends, may take. */
const settleMs = 3000;

export const fanoutPlanOf = (settings: RunSettings): Plan => ({
  sliceMs: 20,
  ...(settings.quick
    ? {
        rounds: settings.rounds ?? 1,
        windowMs: { 1: 200, 8: 200, 64: 200, 1000: 200 },
        hotMs: 500,
        restSeconds: 1,
      }
    : {
        rounds: settings.rounds ?? 12,
        windowMs: { 1: 500, 8: 500, 64: 1000, 1000: 1250 },
        hotMs: 5000,
        restSeconds: 6,
      }),
});

class Comparing {
  readonly #sides: Record<Arm, Side>;
  readonly #settings: RunSettings;
  readonly #plan: Plan;
  readonly #samples = new Map<Group, Buffer>();
  readonly #publisher: Connection;
  readonly #besidePids: readonly number[];
  readonly result: FanoutComparison;

  constructor(
    sides: Record<Arm, Side>,
    mode: Mode,
    settings: RunSettings,
    publisher: Connection,
    besidePids: readonly number[],
  ) {
    this.#besidePids = besidePids;
    this.#sides = sides;
    this.#settings = settings;
    this.#plan = fanoutPlanOf(settings);
    this.#publisher = publisher;
    const { server, format } = sides.fanwire;
    const totals = { fanwire: new Map(), bare: new Map() };
    for (const { subscribers } of groups) {
      totals.fanwire.set(subscribers, new WindowTotals());
      totals.bare.set(subscribers, new WindowTotals());
    }
    const upkeepMsPerSecond = { fanwire: Number.NaN, bare: Number.NaN };
    const { engine } = server;
    this.result = { engine, format, mode, windows: [], repeated: [], totals, upkeepMsPerSecond };
  }

  async run(): Promise<FanoutComparison> {
    await this.#warmUp();
    await this.#rest();
    const random = seededRandom(this.#settings.seed);
    for (let round = 1; round <= this.#plan.rounds; round++) {
      for (const group of shuffled(groups, random)) await this.#measure(group, round);
    }
    return this.result;
  }

  /**
   * Until the runtimes have compiled what they will compile, and every socket has sent: unrecorded. It also catches the
   * frames that the bare engine will publish.
   */
  async #warmUp(): Promise<void> {
    const { windowMs, hotMs } = this.#plan;
    for (const arm of ["fanwire", "bare"] as const) {
      for (const group of groups)
        await this.#warm(arm, group, group.ratePerSecond, windowMs[group.subscribers]);
      await this.#warm(arm, groups[0], hotRate, hotMs);
    }
  }

  async #warm(arm: Arm, group: Group, ratePerSecond: number, durationMs: number): Promise<void> {
    const side = await this.#windowSide(arm, group);
    const schedule = jitteredSchedule({ ratePerSecond, durationMs, seed: 0 });
    const { sample } = await measureWindow({ ...side, schedule, durationMs });
    if (arm === "bare") side.publisher.close();
    else if (sample !== undefined) this.#samples.set(group, sample);
  }

  async #rest(): Promise<void> {
    if (!this.#settings.quick) await Bun.sleep(settleMs);
    const pids = [this.#sides.fanwire.server.pid, this.#sides.bare.server.pid];
    const [fanwire = Number.NaN, bare = Number.NaN] = await upkeepMsPerSecond(pids, this.#plan.restSeconds);
    Object.assign(this.result.upkeepMsPerSecond, { fanwire, bare });
  }

  /** One window, in which both arms have their turns; again, a few times, if the machine was disturbed. */
  async #measure(group: Group, round: number): Promise<void> {
    const { quick } = this.#settings;
    const { subscribers } = group;
    const measure = async (attempt: number) => {
      const seed = windowSeed(this.#settings.seed, round, attempt);
      const [ours, bare] = await this.#window(group, round, seed);
      const windows = [
        describe("fanwire", round, group, seed, ours),
        describe("bare", round, group, seed, bare),
      ];
      return { windows, ours, bare, flags: windows.flatMap(({ flags }) => flags) };
    };
    const { window, disturbed } = await undisturbed({ attempts, pauseMs, quick }, measure);
    for (const { flags } of disturbed) {
      this.result.repeated.push({ round, subscribers, flags: flags.filter((flag) => flag.disturbance) });
    }
    this.result.windows.push(...window.windows);
    this.result.totals.fanwire.get(subscribers)?.add(window.ours);
    this.result.totals.bare.get(subscribers)?.add(window.bare);
  }

  async #window(group: Group, round: number, seed: number): Promise<[WindowResult, WindowResult]> {
    const sides = [await this.#windowSide("fanwire", group), await this.#windowSide("bare", group)] as const;
    await Bun.sleep(50);
    const { subscribers, ratePerSecond } = group;
    const durationMs = this.#plan.windowMs[subscribers];
    const times = jitteredSchedule({ ratePerSecond, durationMs, seed });
    const results = await measureAlternating({
      sides,
      schedule: alternating(times, this.#plan.sliceMs, (round % 2) as 0 | 1),
      besidePids: this.#besidePids,
      durationMs: 2 * durationMs,
      // Half a period is what lies between two publications as planned: late ones keep that distance too.
      pacing: { leastGapNs: 0.5e9 / ratePerSecond, isSleepless: true },
    });
    sides[1].publisher.close();
    // Offsets gain a digit now and then: what the bare engine publishes gains it by the next window.
    const [{ sample }] = results as [WindowResult, WindowResult];
    if (sample !== undefined) this.#samples.set(group, sample);
    return results as [WindowResult, WindowResult];
  }

  async #windowSide(arm: Arm, group: Group): Promise<WindowSide> {
    const side = this.#sides[arm];
    const base = {
      serverPid: side.server.pid,
      subscribers: side.subscribers.get(group) as readonly Connection[],
      frames: new PublishFrames(side.format, topicOf(this.result.mode, group), textBytes),
    };
    if (arm === "fanwire") return { ...base, publisher: this.#publisher };
    const sample = this.#samples.get(group);
    if (sample === undefined) throw new Error("no frame to publish");
    return { ...base, publisher: await barePublisher(side, group, sample), ring: ringSize };
  }
}

function describe(arm: Arm, round: number, group: Group, seed: number, result: WindowResult): FanoutWindow {
  const { publications, serverNs, generatorNs, wallNs, frameBytes, facts } = result;
  const { subscribers } = group;
  const flags = flagsOf(facts);
  return {
    arm,
    round,
    subscribers,
    seed,
    publications,
    serverNs,
    generatorNs,
    wallNs,
    frameBytes,
    facts,
    flags,
  };
}

/** Every comparison the settings ask for, as it is done. Both servers of an engine live through all of its comparisons. */
export async function* fanout(settings: RunSettings): AsyncGenerator<FanoutComparison> {
  const spinner = settings.halt ? undefined : keepAwake();
  for (const engine of settings.engines) {
    const servers = {
      fanwire: await startServer("fanwire", engine),
      bare: await startServer("bare", engine),
    };
    for (const format of settings.formats) {
      const sides = {
        fanwire: await connect(servers.fanwire, format),
        bare: await connect(servers.bare, format),
      };
      const publisher = await Connection.open({ port: servers.fanwire.port, format });
      for (const mode of settings.modes)
        yield await new Comparing(sides, mode, settings, publisher, spinner ? [spinner.pid] : []).run();
      publisher.close();
      disconnect(sides.fanwire);
      disconnect(sides.bare);
    }
    await servers.fanwire.stop();
    await servers.bare.stop();
  }
  spinner?.stop();
}

// Benchmark `fanout`: server CPU per publication as a + b·S over S subscribers, fanwire and the bare engine side by side.

import { Connection, openMany } from "./client/connection.ts";
import { maskedFrame, opcode } from "./client/frames.ts";
import { type Format, PublishFrames, SequencePlace } from "./client/payload.ts";
import { measureWindow, type WindowResult, WindowTotals } from "./client/window.ts";
import { jitteredSchedule } from "./measure/schedule.ts";
import { fitLine, type Line, seededRandom, shuffled } from "./measure/stats.ts";
import { type Flag, flagsOf } from "./measure/validity.ts";
import type { Mode, RunSettings } from "./settings.ts";
import { type Arm, type EngineName, keepAwake, type ServerProcess, startServer } from "./targets/servers.ts";

/**
 * Sizes and rates. The rates keep both processes under some 60 % of their core and let each publication leave alone: a
 * server that falls behind merges publications into fewer writes and would look cheaper than it is.
 */
export const groups = [
  { subscribers: 1, ratePerSecond: 4000 },
  { subscribers: 8, ratePerSecond: 3000 },
  { subscribers: 64, ratePerSecond: 600 },
  { subscribers: 1000, ratePerSecond: 50 },
] as const;

type Group = (typeof groups)[number];

/** `text` of a publication: the whole `data` is then 64 bytes of JSON. */
const textBytes = 36;

/** How many frames a bare engine publishes in turn; they stay in its processor cache. */
const ringSize = 256;

/** Attempts at a round's four windows while something else disturbs the machine. */
const attempts = 3;

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
    const opened = await openMany({ port: server.port, format, ...bare }, group.subscribers);
    subscribers.set(group, opened);
    if (server.arm === "bare") continue;
    for (const mode of ["volatile", "stream"] as const) {
      const topic = topicOf(mode, group);
      await Promise.all(opened.map((connection) => connection.request({ type: "subscribe", topic })));
    }
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
  readonly frameBytes: number;
  readonly facts: WindowResult["facts"];
  readonly flags: readonly Flag[];
}

export interface FanoutComparison {
  readonly engine: EngineName;
  readonly format: Format;
  readonly mode: Mode;
  readonly windows: FanoutWindow[];
  /** Sets of four windows that were measured again because something disturbed the machine. */
  readonly repeated: { round: number; subscribers: number; flags: readonly Flag[] }[];
  readonly totals: Record<Arm, Map<number, WindowTotals>>;
}

interface Plan {
  readonly rounds: number;
  readonly windowMs: number;
  /** Of the warm-up at a high rate. */
  readonly hotMs: number;
}

const hotRate = 6000;

interface Schedule {
  readonly schedule: Float64Array;
  readonly durationMs: number;
}

const jittered = (ratePerSecond: number, durationMs: number, seed: number): Schedule => ({
  schedule: jitteredSchedule({ ratePerSecond, durationMs, seed }),
  durationMs,
});

export const fanoutPlanOf = (settings: RunSettings): Plan => ({
  rounds: settings.rounds ?? (settings.quick ? 1 : 8),
  windowMs: settings.quick ? 400 : 1500,
  hotMs: settings.quick ? 500 : 5000,
});

class Comparing {
  readonly #sides: Record<Arm, Side>;
  readonly #settings: RunSettings;
  readonly #plan: Plan;
  readonly #samples = new Map<Group, Buffer>();
  readonly #publisher: Connection;
  readonly #spinnerPid: number | undefined;
  readonly result: FanoutComparison;

  constructor(
    sides: Record<Arm, Side>,
    mode: Mode,
    settings: RunSettings,
    publisher: Connection,
    spinnerPid?: number,
  ) {
    this.#spinnerPid = spinnerPid;
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
    this.result = { engine: server.engine, format, mode, windows: [], repeated: [], totals };
  }

  async run(): Promise<FanoutComparison> {
    await this.#warmUp();
    const random = seededRandom(this.#settings.seed);
    for (let round = 1; round <= this.#plan.rounds; round++) {
      for (const group of shuffled(groups, random)) await this.#quad(group, round);
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
      for (const group of groups) await this.#window(arm, group, jittered(group.ratePerSecond, windowMs, 0));
      await this.#window(arm, groups[0], jittered(hotRate, hotMs, 0));
    }
  }

  /** ABBA or BAAB: whatever drifts evenly over the four windows cancels. A pair of neighbours shares its schedule. */
  async #quad(group: Group, round: number): Promise<void> {
    const order = round % 2 === 1 ? (["fanwire", "bare"] as const) : (["bare", "fanwire"] as const);
    for (let attempt = 1; ; attempt++) {
      const measured: { arm: Arm; window: FanoutWindow; result: WindowResult }[] = [];
      for (const [place, arm] of [order[0], order[1], order[1], order[0]].entries()) {
        const seed = this.#settings.seed * 1_000_000 + round * 1000 + attempt * 10 + Math.floor(place / 2);
        const schedule = jittered(group.ratePerSecond, this.#plan.windowMs, seed);
        const result = await this.#window(arm, group, schedule);
        measured.push({ arm, window: describe(arm, round, group, seed, result), result });
      }
      const disturbances = measured.flatMap(({ window }) => window.flags.filter((flag) => flag.disturbance));
      if (disturbances.length > 0 && attempt < attempts && !this.#settings.quick) {
        this.result.repeated.push({ round, subscribers: group.subscribers, flags: disturbances });
        continue;
      }
      for (const { arm, window, result } of measured) {
        this.result.windows.push(window);
        this.result.totals[arm].get(group.subscribers)?.add(result);
      }
      return;
    }
  }

  async #window(arm: Arm, group: Group, schedule: Schedule): Promise<WindowResult> {
    const side = this.#sides[arm];
    const sample = this.#samples.get(group);
    if (arm === "bare" && sample === undefined) throw new Error("no frame to publish");
    const publisher = arm === "bare" ? await barePublisher(side, group, sample as Buffer) : this.#publisher;
    await Bun.sleep(50);
    const result = await measureWindow({
      serverPid: side.server.pid,
      spinnerPid: this.#spinnerPid,
      publisher,
      subscribers: side.subscribers.get(group) as readonly Connection[],
      frames: new PublishFrames(side.format, topicOf(this.result.mode, group), textBytes),
      ...schedule,
      ...(arm === "bare" ? { ring: ringSize } : {}),
    });
    if (arm === "bare") publisher.close();
    else if (result.sample !== undefined) this.#samples.set(group, result.sample);
    return result;
  }
}

function describe(arm: Arm, round: number, group: Group, seed: number, result: WindowResult): FanoutWindow {
  const { publications, serverNs, generatorNs, frameBytes, facts } = result;
  const { subscribers } = group;
  const flags = flagsOf(facts);
  return { arm, round, subscribers, seed, publications, serverNs, generatorNs, frameBytes, facts, flags };
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
        yield await new Comparing(sides, mode, settings, publisher, spinner?.pid).run();
      publisher.close();
      disconnect(sides.fanwire);
      disconnect(sides.bare);
    }
    await servers.fanwire.stop();
    await servers.bare.stop();
  }
  spinner?.stop();
}

/** µs of server CPU per publication in one round, by number of subscribers. */
export function costsOf(
  windows: readonly FanoutWindow[],
  arm: Arm,
  round: number,
): { x: number; y: number }[] {
  return groups.flatMap(({ subscribers }) => {
    const mine = windows.filter(
      (window) => window.arm === arm && window.round === round && window.subscribers === subscribers,
    );
    const publications = mine.reduce((sum, window) => sum + window.publications, 0);
    const ns = mine.reduce((sum, window) => sum + window.serverNs, 0);
    return publications === 0 ? [] : [{ x: subscribers, y: ns / publications / 1000 }];
  });
}

export interface RoundFit {
  readonly fanwire: Line;
  readonly bare: Line;
}

/** The fit of each round: the independent values that the intervals rest on. */
export function fits(comparison: FanoutComparison): RoundFit[] {
  const rounds = [...new Set(comparison.windows.map((window) => window.round))];
  return rounds.map((round) => ({
    fanwire: fitLine(costsOf(comparison.windows, "fanwire", round)),
    bare: fitLine(costsOf(comparison.windows, "bare", round)),
  }));
}

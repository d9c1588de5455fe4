// Benchmark `sse`: what a publication costs the server to subscribers over server-sent events, beside WebSocket and the bare engine.

import { Connection, openMany, type Subscriber } from "../client/connection.ts";
import { EventConnection } from "../client/event-connection.ts";
import { maskedFrame, opcode } from "../client/frames.ts";
import { openLivedIn } from "../client/lived-in.ts";
import { PublishFrames, SequencePlace } from "../client/payload.ts";
import { measureAlternating, type WindowResult, type WindowSide } from "../client/window.ts";
import { alternating, jitteredSchedule } from "../measure/schedule.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import { undisturbed, windowSeed } from "../measure/undisturbed.ts";
import { upkeepMsPerSecond } from "../measure/upkeep.ts";
import { type Flag, flagsOf } from "../measure/validity.ts";
import type { Mode, RunSettings } from "../settings.ts";
import { type EngineName, keepAwake, type ServerProcess, startServer } from "../targets/servers.ts";

/** As in `fanout`, with fewer at most, because an event costs more: each publication is to leave alone. */
export const groups = [
  { subscribers: 1, ratePerSecond: 1500, windowMs: 400 },
  { subscribers: 8, ratePerSecond: 1000, windowMs: 400 },
  { subscribers: 64, ratePerSecond: 300, windowMs: 600 },
  { subscribers: 400, ratePerSecond: 60, windowMs: 1000 },
] as const;

type Group = (typeof groups)[number];

export const arms = ["sse", "websocket", "bare"] as const;
export type SseArm = (typeof arms)[number];

/** `text` of a publication: the whole `data` is then 64 bytes of JSON. */
const textBytes = 36;
/** How many frames the bare engine publishes in turn. */
const ringSize = 256;
const sliceMs = 20;
const attempts = 4;
const pauseMs = 300;

export const ssePlanOf = (settings: RunSettings) => ({
  rounds: settings.rounds ?? (settings.quick ? 1 : 6),
  warmUpRounds: settings.quick ? 1 : 2,
  /** Seconds of rest whose CPU is looked at for the upkeep. */
  restSeconds: settings.quick ? 1 : 3,
  /** Of the windows. */
  share: settings.quick ? 0.5 : 1,
});

export interface SseWindow {
  readonly arm: SseArm;
  readonly round: number;
  readonly subscribers: number;
  readonly result: WindowResult;
  readonly flags: readonly Flag[];
}

export interface SseComparison {
  readonly engine: EngineName;
  readonly mode: Mode;
  readonly windows: readonly SseWindow[];
  /** CPU of the servers while nothing is published; each window's is no cost of its publications. */
  readonly upkeepMsPerSecond: Readonly<Record<SseArm, number>>;
  /** Windows that were measured again because something disturbed the machine. */
  readonly repeated: number;
}

interface Side {
  readonly server: ServerProcess;
  readonly subscribers: ReadonlyMap<Group, readonly (Subscriber & { close(): void })[]>;
}

const topicOf = (mode: Mode, { subscribers }: Group): string =>
  `${mode === "volatile" ? "game" : "room"}:sse-${subscribers}`;

/** Each arm has a server of its own, so that what it costs can be told apart. */
async function connect(arm: SseArm, engine: EngineName): Promise<Side> {
  const server = await startServer(arm === "bare" ? "bare" : "fanwire", engine);
  const subscribers = new Map<Group, readonly (Subscriber & { close(): void })[]>();
  for (const group of groups) {
    const topics = [topicOf("volatile", group), topicOf("stream", group)];
    const open = { sse: openStreams, websocket: openSockets, bare: openBare }[arm];
    const all = await openLivedIn<EventConnection | Connection>(group.subscribers, (count) =>
      open(server.port, topics, count),
    );
    subscribers.set(group, all);
  }
  return { server, subscribers };
}

async function openStreams(port: number, topics: readonly string[], count: number) {
  const streams: EventConnection[] = [];
  const together = 64;
  for (let from = 0; from < count; from += together) {
    const batch = Array.from({ length: Math.min(together, count - from) }, (_, i) =>
      EventConnection.open(port, topics, from + i),
    );
    streams.push(...(await Promise.all(batch)));
  }
  return streams;
}

async function openSockets(port: number, topics: readonly string[], count: number) {
  const sockets = await openMany({ port, format: "json", query: "?join=none" }, count);
  for (const topic of topics)
    await Promise.all(sockets.map((one) => one.request({ type: "subscribe", topic })));
  return sockets;
}

function openBare(port: number, topics: readonly string[], count: number) {
  return openMany({ port, format: "json", query: `?topics=${topics.join(",")}` }, count);
}

class Comparing {
  readonly #sides: Readonly<Record<SseArm, Side>>;
  readonly #publishers: Readonly<Record<"sse" | "websocket", Connection>>;
  readonly #settings: RunSettings;
  readonly #mode: Mode;
  readonly #besidePids: readonly number[];
  /** By group, a frame as WebSocket subscribers have it: what the bare engine publishes. */
  readonly #samples = new Map<Group, Buffer>();
  readonly #windows: SseWindow[] = [];
  #repeated = 0;

  constructor(
    sides: Readonly<Record<SseArm, Side>>,
    publishers: Readonly<Record<"sse" | "websocket", Connection>>,
    mode: Mode,
    settings: RunSettings,
    besidePids: readonly number[],
  ) {
    this.#sides = sides;
    this.#publishers = publishers;
    this.#mode = mode;
    this.#settings = settings;
    this.#besidePids = besidePids;
  }

  async run(engine: EngineName): Promise<SseComparison> {
    const { rounds, warmUpRounds, restSeconds } = ssePlanOf(this.#settings);
    const random = seededRandom(this.#settings.seed);
    // Unrecorded, until the runtimes have compiled what they will compile.
    for (let round = 0; round < warmUpRounds; round++) {
      for (const group of groups) await this.#window(group, round, 0, ["sse", "websocket"]);
      for (const group of groups) await this.#window(group, round, 0);
    }
    const upkeep = await upkeepMsPerSecond(
      arms.map((arm) => this.#sides[arm].server.pid),
      restSeconds,
    );
    for (let round = 1; round <= rounds; round++) {
      for (const group of shuffled(groups, random)) await this.#measure(group, round);
    }
    return {
      engine,
      mode: this.#mode,
      windows: this.#windows,
      upkeepMsPerSecond: Object.fromEntries(arms.map((arm, at) => [arm, upkeep[at]])) as Record<
        SseArm,
        number
      >,
      repeated: this.#repeated,
    };
  }

  /** One window, in which all arms have their turns; again, a few times, if the machine was disturbed. */
  async #measure(group: Group, round: number): Promise<void> {
    const { quick, seed } = this.#settings;
    const measure = async (attempt: number) => {
      const results = await this.#window(group, round, windowSeed(seed, round, attempt));
      const windows = arms.map((arm, place): SseWindow => {
        const result = results[place] as WindowResult;
        return { arm, round, subscribers: group.subscribers, result, flags: flagsOf(result.facts) };
      });
      return { windows, flags: windows.flatMap(({ flags }) => flags) };
    };
    const { window, disturbed } = await undisturbed({ attempts, pauseMs, quick }, measure);
    this.#windows.push(...window.windows);
    this.#repeated += disturbed.length;
  }

  async #window(group: Group, round: number, seed: number, chosen: readonly SseArm[] = arms) {
    const sides: WindowSide[] = [];
    for (const arm of chosen) sides.push(await this.#side(arm, group));
    await Bun.sleep(30);
    const { ratePerSecond, windowMs } = group;
    const durationMs = windowMs * ssePlanOf(this.#settings).share;
    const results = await measureAlternating({
      sides,
      schedule: alternating(
        jitteredSchedule({ ratePerSecond, durationMs, seed }),
        sliceMs,
        round,
        chosen.length,
      ),
      besidePids: this.#besidePids,
      durationMs: chosen.length * durationMs,
      pacing: { leastGapNs: 0.5e9 / ratePerSecond, isSleepless: true },
    });
    chosen.forEach((arm, place) => {
      const { sample } = results[place] as WindowResult;
      if (arm === "websocket" && sample) this.#samples.set(group, sample);
      if (arm === "bare") (sides[place] as WindowSide).publisher.close();
    });
    return results;
  }

  async #side(arm: SseArm, group: Group): Promise<WindowSide> {
    const { server, subscribers } = this.#sides[arm];
    const topic = topicOf(this.#mode, group);
    const base = {
      serverPid: server.pid,
      subscribers: subscribers.get(group) as readonly Subscriber[],
      frames: new PublishFrames("json", topic, textBytes),
    };
    if (arm !== "bare") return { ...base, publisher: this.#publishers[arm] };
    return { ...base, publisher: await this.#barePublisher(group, topic), ring: ringSize };
  }

  /** Its ring is filled with copies of a frame that fanwire delivered. */
  async #barePublisher(group: Group, topic: string): Promise<Connection> {
    const query = `?publish=${topic}&ring=${ringSize}`;
    const publisher = await Connection.open({ port: this.#sides.bare.server.port, format: "json", query });
    const place = new SequencePlace("json");
    const copy = Buffer.from(this.#samples.get(group) as Buffer);
    for (let sequence = 0; sequence < ringSize; sequence++) {
      place.write(copy, 0, copy.length, sequence);
      publisher.write(maskedFrame(opcode.text, copy));
    }
    return publisher;
  }
}

export async function* sse(settings: RunSettings): AsyncGenerator<SseComparison> {
  const spinner = settings.halt ? undefined : keepAwake();
  for (const engine of settings.engines) {
    const sides = {
      sse: await connect("sse", engine),
      websocket: await connect("websocket", engine),
      bare: await connect("bare", engine),
    };
    const open = ({ server }: Side) =>
      Connection.open({ port: server.port, format: "json", query: "?join=none" });
    const publishers = { sse: await open(sides.sse), websocket: await open(sides.websocket) };
    for (const mode of settings.modes) {
      const beside = spinner ? [spinner.pid] : [];
      yield await new Comparing(sides, publishers, mode, settings, beside).run(engine);
    }
    for (const arm of arms) await sides[arm].server.stop();
  }
  spinner?.stop();
}

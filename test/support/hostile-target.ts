// A server under attack: what is sent to it, what came back, and witnesses that nobody else is harmed by it.

import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { Packr } from "msgpackr";
import type { InputOptions } from "../../src/server.ts";
import type { EngineName } from "./engine-host.ts";
import type { WireCase } from "./hostile-json.ts";
import { type FormatName, type Frame, Peer } from "./peer.ts";
import { startServer } from "./served.ts";
import type { ServerProcess } from "./server-process.ts";
import { tokenFor } from "./token.ts";
import { connect, encodeFrame, opcodes } from "./websocket.ts";

const packr = new Packr({ useRecords: false, mapsAsObjects: true, int64AsType: "number", useToJSON: false });

/** The error codes of the documentation. */
const documented = new Set([
  ...["bad-frame", "unknown-type", "bad-topic", "unknown-namespace", "bad-data", "bad-position", "forbidden"],
  ...[
    "unauthorized",
    "too-large",
    "too-many",
    "rate-limited",
    "not-subscribed",
    "mode-mismatch",
    "unavailable",
  ],
  ...["outcome-unknown", "timeout", "unknown-method", "call-failed", "draining", "internal"],
]);

/** One server and the connections that watch over it. */
export class Target {
  readonly server: ServerProcess;
  readonly witness: Witness;
  readonly rssBefore: number;

  private constructor(server: ServerProcess, witness: Witness) {
    this.server = server;
    this.witness = witness;
    this.rssBefore = this.rss;
  }

  /** `token`: how the witnesses are let in, where the server asks for one. */
  static async start(engine: EngineName, options: InputOptions, token?: string): Promise<Target> {
    const server = await startServer(engine, options);
    return new Target(server, await Witness.start(server.port, token));
  }

  /** Megabytes of memory the process holds. */
  get rss(): number {
    const [, kilobytes] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.server.pid}/status`, "utf8"))!;
    return Math.round(Number(kilobytes) / 1024);
  }
}

/** Well-behaved clients that keep publishing, receiving and pinging, one step after the other. */
export class Witness {
  /** The longest that a ping, a publication to subscribers of both formats, and its `ok` ever took together. */
  longestMs = 0;
  steps = 0;
  readonly #peers: readonly [publisher: Peer, json: Peer, msgpack: Peer];
  readonly #running: Promise<void>;
  #isStopped = false;

  private constructor(peers: readonly [Peer, Peer, Peer]) {
    this.#peers = peers;
    this.#running = this.#run();
    // Whoever stops the witness hears of it.
    this.#running.catch(() => undefined);
  }

  static async start(port: number, token?: string): Promise<Witness> {
    const open = (format: FormatName) => Peer.connect(port, { format, ...(token && { token }) });
    const [publisher, json, msgpack] = [await open("json"), await open("json"), await open("msgpack")];
    for (const peer of [json, msgpack]) {
      await peer.requests(
        { type: "subscribe", topic: "room:witness" },
        { type: "subscribe", topic: "room:hostile" },
      );
    }
    return new Witness([publisher, json, msgpack]);
  }

  /** Ends the watch; rejects when a witness was harmed. Resolves to what each format's subscriber got of `room:hostile`. */
  async stop(): Promise<readonly (readonly Frame[])[]> {
    this.#isStopped = true;
    await this.#running;
    const [publisher, ...subscribers] = this.#peers;
    const seen: Frame[][] = [];
    for (const subscriber of subscribers) {
      // Broadcasts come too.
      seen.push((await subscriber.settled()).filter(({ topic }) => topic === "room:hostile"));
    }
    for (const peer of [publisher, ...subscribers]) peer.raw.destroy();
    return seen;
  }

  async #run(): Promise<void> {
    const [publisher, ...subscribers] = this.#peers;
    const topic = "room:witness";
    while (!this.#isStopped) {
      const begun = performance.now();
      await publisher.requests({ type: "ping" }, { type: "publish", topic, data: this.steps });
      for (const subscriber of subscribers) {
        const [message] = await subscriber.messages(1, topic);
        if (message?.data !== this.steps) throw new Error(`${message?.data} came in place of ${this.steps}`);
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - begun);
      this.steps += 1;
      await pause(25);
    }
  }
}

/** Sends cases down one connection, each followed by a ping, and tells what came back otherwise than documented. */
export async function exchange(
  port: number,
  format: FormatName,
  cases: readonly WireCase[],
): Promise<string[]> {
  const client = await connect(port, {
    path: "/ws?join=none",
    protocols: [`fanwire.v1.${format}`],
    headers: [["Authorization", `Bearer ${tokenFor("ann")}`]],
    deadlineMs: 15_000,
  });
  const decode = (message: string | Buffer): Frame =>
    typeof message === "string" ? JSON.parse(message) : packr.unpack(message);
  decode(await client.next());
  const answers = new Answers(cases);
  client.sendRaw(Buffer.concat(cases.flatMap(({ bytes }, at) => [bytes, marker(format, at)])));
  try {
    while (!answers.areComplete) answers.add(decode(await client.next()));
    for (const message of await client.settled()) answers.add(decode(message));
  } catch (failure) {
    return [...answers.faults(), `${failure}`];
  } finally {
    client.destroy();
  }
  return answers.faults();
}

const firstMarker = 1_000_000_000;

function marker(format: FormatName, at: number): Buffer {
  const ping = { type: "ping", id: firstMarker + at };
  return format === "json"
    ? encodeFrame({ opcode: opcodes.text, payload: JSON.stringify(ping) })
    : encodeFrame({ opcode: opcodes.binary, payload: packr.pack(ping) });
}

/** Assigns answers to cases: by `id`, and those without one by the pings they came between. */
class Answers {
  readonly #cases: readonly WireCase[];
  readonly #byId = new Map<number, string[]>();
  readonly #withoutId: string[][];
  readonly #strays: string[] = [];
  #markers = 0;

  constructor(cases: readonly WireCase[]) {
    this.#cases = cases;
    this.#withoutId = cases.map(() => []);
    for (const { id } of cases) if (id !== undefined) this.#byId.set(id, []);
  }

  get areComplete(): boolean {
    return this.#markers === this.#cases.length && this.#cases.every((_, at) => this.#of(at).length > 0);
  }

  add(frame: Frame): void {
    if (frame.type === "message" || frame.type === "reset") return;
    if (frame.id === firstMarker + this.#markers) {
      this.#markers += 1;
      return;
    }
    const outcome = outcomeOf(frame);
    const list = frame.id === undefined ? this.#withoutId[this.#markers] : this.#byId.get(frame.id);
    if (list) list.push(outcome);
    else this.#strays.push(`nobody asked for ${JSON.stringify(frame).slice(0, 200)}`);
  }

  faults(): string[] {
    const faults = this.#cases.flatMap(({ what, outcomes }, at) => {
      const got = this.#of(at);
      const isRight =
        got.length === 1 &&
        this.#isWhereItBelongs(at) &&
        (outcomes.includes(got[0]!) || outcomes[0] === "any");
      return isRight ? [] : [`${what} → ${got.join(" and ") || "nothing"}, not ${outcomes.join(" or ")}`];
    });
    return [...faults, ...this.#strays];
  }

  /** Everything that came back for a case. A case that allows anything also allows nothing. */
  #of(at: number): readonly string[] {
    const { id, outcomes } = this.#cases[at]!;
    const got = [...(id === undefined ? [] : this.#byId.get(id)!), ...this.#withoutId[at]!];
    return got.length === 0 && outcomes[0] === "any" && this.#markers > at ? ["none"] : got;
  }

  #isWhereItBelongs(at: number): boolean {
    const { id, idMayBeLost } = this.#cases[at]!;
    return id === undefined || idMayBeLost === true || this.#byId.get(id)!.length === 1;
  }
}

function outcomeOf({ type, code, message, retryable }: Frame): string {
  if (type !== "error") return type;
  const isSound =
    documented.has(String(code)) && typeof message === "string" && typeof retryable === "boolean";
  return isSound ? String(code) : `an error of no documented form (${code})`;
}

// Centrifugo's client protocol in JSON: commands and replies, several to a frame, a line each. Pure bytes.
// Format: the client protocol page of Centrifugo's documentation and client.proto of its protocol module.

import { maskedFrame, opcode } from "../../client/frames.ts";
import {
  type Greeting,
  type Member,
  type Mode,
  manyAFrame,
  type Protocol,
  type Recovery,
} from "../protocol.ts";
import { CentrifugoPositions } from "./centrifugo-positions.ts";

/** Commands sent together; Centrifugo takes messages of up to 64 KiB. */
export const subscribesPerFrame = 200;

/** A mode is a namespace of the target's configuration. Names of one length, as publications shall be. */
export const channelOf = (mode: Mode, topic: number): string =>
  `${mode}:topic-${String(topic).padStart(6, "0")}`;

/** Each command needs an id and is answered; nobody looks at the answers to publications, so they share one. */
export const publishId = 1;
export const connectId = 1;

const text = (lines: string) => maskedFrame(opcode.text, Buffer.from(lines));
const pong = text("{}");

interface Publication {
  readonly offset?: number;
}

/** Numbers that are 0 and lists that are empty are left out. */
interface Reply {
  readonly id?: number;
  readonly error?: { readonly code: number; readonly message: string };
  readonly subscribe?: {
    readonly epoch?: string;
    readonly offset?: number;
    readonly publications?: readonly Publication[];
  };
  readonly push?: { readonly channel: string; readonly pub?: Publication };
}

const isPing = (line: string) => line === "{}";

function linesOf(buffer: Buffer, start: number, end: number): string[] {
  return buffer
    .toString("utf8", start, end)
    .split("\n")
    .filter((line) => line !== "");
}

/** It parses every frame, which only a scenario with few of them can afford. */
class JsonRecovery implements Recovery {
  readonly positions = new CentrifugoPositions();
  readonly missed = manyAFrame();

  heard(buffer: Buffer, start: number, end: number): void {
    for (const line of linesOf(buffer, start, end)) this.replied(JSON.parse(line));
  }

  replied({ push }: Reply): void {
    if (push?.pub !== undefined) this.positions.published(push.channel, push.pub.offset ?? 0);
  }
}

class JsonGreeting implements Greeting {
  readonly #channels: readonly string[];
  readonly #recovery: JsonRecovery | undefined;
  /** Of the connect and the subscribes. */
  #unanswered: number;

  constructor(mode: Mode, { role, topics }: Member, recovery: JsonRecovery | undefined) {
    this.#channels = role === "subscriber" ? topics.map((topic) => channelOf(mode, topic)) : [];
    this.#recovery = recovery;
    this.#unanswered = 1 + this.#channels.length;
  }

  first(): readonly Buffer[] {
    return [text(JSON.stringify({ id: connectId, connect: {} }))];
  }

  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready" {
    const answers: Buffer[] = [];
    for (const line of linesOf(buffer, start, end)) {
      if (isPing(line)) answers.push(pong);
      else answers.push(...this.#replied(JSON.parse(line)));
    }
    return this.#unanswered === 0 && answers.length === 0 ? "ready" : answers;
  }

  #replied(reply: Reply): Buffer[] {
    const { id, error, subscribe } = reply;
    if (error !== undefined) throw new Error(`refused: ${error.code} ${error.message}`);
    this.#recovery?.replied(reply);
    if (id === undefined) return [];
    this.#unanswered--;
    if (id === connectId) return this.#subscribes();
    if (subscribe !== undefined) {
      const { epoch = "", offset = 0, publications = [] } = subscribe;
      const offsets = publications.map((one) => one.offset ?? 0);
      const channel = this.#channels[id - connectId - 1] as string;
      this.#recovery?.positions.subscribed(channel, epoch, offset, offsets);
    }
    return [];
  }

  #subscribes(): Buffer[] {
    const lines = this.#channels.map((channel, i) => {
      const position = this.#recovery?.positions.of(channel);
      const subscribe = { channel, ...(position && { recover: true, ...position }) };
      return JSON.stringify({ id: connectId + 1 + i, subscribe });
    });
    const frames: Buffer[] = [];
    for (let from = 0; from < lines.length; from += subscribesPerFrame) {
      frames.push(text(lines.slice(from, from + subscribesPerFrame).join("\n")));
    }
    return frames;
  }
}

const braces = Buffer.from("{}");
const newline = 10;
const emptyLine = Buffer.from("\n{}");

/** A ping is an empty object in a line of its own, which may come between publications. Texts have no raw newline. */
function hasPing(buffer: Buffer, start: number, end: number): boolean {
  const isFirst = buffer[start] === braces[0] && buffer[start + 1] === braces[1];
  if (end - start === 2 || (isFirst && buffer[start + 2] === newline)) return isFirst;
  return buffer.subarray(start, end).includes(emptyLine);
}

export const centrifugoJson = (mode: Mode): Protocol => ({
  path: () => "/connection/websocket",
  greeting: (member, recovery) => new JsonGreeting(mode, member, recovery as JsonRecovery | undefined),
  // Nothing is kept of what is volatile, and of latest only what is newest.
  ...(mode === "stream" && { recovery: () => new JsonRecovery() }),
  publication: (topic, payload) => {
    const publish = { channel: channelOf(mode, topic), data: payload };
    return text(JSON.stringify({ id: publishId, publish }));
  },
  read: manyAFrame(),
  hasPingsAmongPublications: true,
  control: (buffer, start, end) => (hasPing(buffer, start, end) ? pong : undefined),
});

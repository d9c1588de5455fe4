// Centrifugo's client protocol in JSON: commands and replies, several to a frame, a line each. Pure bytes.
// Format: the client protocol page of Centrifugo's documentation and client.proto of its protocol module.

import { maskedFrame, opcode } from "../../client/frames.ts";
import { type Greeting, type Member, type Mode, manyAFrame, type Protocol } from "../protocol.ts";

/** Commands sent together; Centrifugo takes messages of up to 64 KiB. */
export const subscribesPerFrame = 200;

/** Names of one length, so that every publication has the same bytes in front of it. */
export const channelOf = (mode: Mode, topic: number): string =>
  `${mode}:topic-${String(topic).padStart(6, "0")}`;

/**
 * Each command needs an id and is answered; nobody looks at the answers to publications, so they share one.
 */
export const publishId = 1;
const connectId = 1;

const text = (lines: string) => maskedFrame(opcode.text, Buffer.from(lines));
const pong = text("{}");

interface Reply {
  readonly id?: number;
  readonly error?: { readonly code: number; readonly message: string };
}

class JsonGreeting implements Greeting {
  readonly #channels: readonly string[];
  /** Of the connect and the subscribes. */
  #unanswered: number;

  constructor(mode: Mode, { role, topics }: Member) {
    this.#channels = role === "subscriber" ? topics.map((topic) => channelOf(mode, topic)) : [];
    this.#unanswered = 1 + this.#channels.length;
  }

  first(): readonly Buffer[] {
    return [text(JSON.stringify({ id: connectId, connect: {} }))];
  }

  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready" {
    const answers: Buffer[] = [];
    for (const line of buffer.toString("utf8", start, end).split("\n")) {
      if (line === "") continue;
      if (line === "{}") {
        answers.push(pong);
        continue;
      }
      const { id, error } = JSON.parse(line) as Reply;
      if (error !== undefined) throw new Error(`refused: ${error.code} ${error.message}`);
      if (id !== undefined) this.#unanswered--;
      if (id === connectId) answers.push(...this.#subscribes());
    }
    return this.#unanswered === 0 && answers.length === 0 ? "ready" : answers;
  }

  #subscribes(): Buffer[] {
    const lines = this.#channels.map((channel, i) =>
      JSON.stringify({ id: connectId + 1 + i, subscribe: { channel } }),
    );
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

/**
 * A ping is an empty object in a line of its own, which may come between publications. Texts have no raw
 * newline.
 */
function hasPing(buffer: Buffer, start: number, end: number): boolean {
  const isFirst = buffer[start] === braces[0] && buffer[start + 1] === braces[1];
  if (end - start === 2 || (isFirst && buffer[start + 2] === newline)) return isFirst;
  return buffer.subarray(start, end).includes(emptyLine);
}

/** A mode is a namespace of the target's configuration. */
export const centrifugoJson = (mode: Mode): Protocol => ({
  path: () => "/connection/websocket",
  greeting: (member) => new JsonGreeting(mode, member),
  publication: (topic, payload) => {
    const publish = { channel: channelOf(mode, topic), data: payload };
    return text(JSON.stringify({ id: publishId, publish }));
  },
  read: manyAFrame(),
  hasPingsAmongPublications: true,
  control: (buffer, start, end) => (hasPing(buffer, start, end) ? pong : undefined),
});

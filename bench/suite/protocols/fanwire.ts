// Protocol 1 of fanwire in JSON, as the generator speaks it: joins topics and publishes without asking for an answer.

import { maskedFrame, opcode } from "../../client/frames.ts";
import type { Greeting, Member, Mode, Protocol, Recovery } from "../protocol.ts";
import { manyAFrame, oneAFrame } from "../protocol.ts";

/** The built-in namespace of each mode. */
export const namespaces: Readonly<Record<Mode, string>> = {
  volatile: "game",
  stream: "room",
  latest: "ticker",
};

/** Names of one length, so that every publication has the same bytes in front of it. */
export const fanwireTopic = (mode: Mode, topic: number): string =>
  `${namespaces[mode]}:${String(topic).padStart(6, "0")}`;

const textFrame = (frame: object): Buffer => maskedFrame(opcode.text, Buffer.from(JSON.stringify(frame)));

interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** Where the member is in each of its topics; it parses every frame, which only a scenario with few of them can afford. */
class FanwireRecovery implements Recovery {
  readonly positions = new Map<string, Position>();
  readonly missed = manyAFrame();

  heard(buffer: Buffer, start: number, end: number): void {
    const { type, topic, offset } = JSON.parse(buffer.toString("utf8", start, end));
    const known = this.positions.get(topic);
    if (type === "message" && known !== undefined && typeof offset === "number") {
      this.positions.set(topic, { epoch: known.epoch, offset });
    }
  }
}

/** `connected` comes by itself; then every topic is asked for at once, and each `ok` counted. */
class FanwireGreeting implements Greeting {
  readonly #topics: readonly string[];
  readonly #recovery: FanwireRecovery | undefined;
  #isConnected = false;
  #waiting: number;

  constructor(mode: Mode, member: Member, recovery: FanwireRecovery | undefined) {
    this.#recovery = recovery;
    this.#topics = member.topics.map((topic) => fanwireTopic(mode, topic));
    this.#waiting = this.#topics.length;
  }

  first(): readonly Buffer[] {
    return [];
  }

  heard(buffer: Buffer, start: number, end: number): readonly Buffer[] | "ready" {
    const frame = JSON.parse(buffer.toString("utf8", start, end));
    if (frame.type === "error") throw new Error(JSON.stringify(frame));
    if (!this.#isConnected) {
      this.#isConnected = true;
      if (this.#waiting === 0) return "ready";
      return this.#topics.map((topic, i) => {
        const since = this.#recovery?.positions.get(topic);
        return textFrame({ type: "subscribe", id: i + 1, topic, ...(since && { since }) });
      });
    }
    if (frame.type === "ok") {
      this.#waiting--;
      this.#recovery?.positions.set(frame.topic, { epoch: frame.epoch, offset: frame.offset });
    } else {
      // Publications of topics that are joined already may come in between.
      this.#recovery?.heard(buffer, start, end);
    }
    return this.#waiting === 0 ? "ready" : [];
  }
}

export function fanwireProtocol(mode: Mode): Protocol {
  return {
    // HAProxy chooses the node by `room`: connections are to be spread, not gathered.
    path: ({ number }) => `/ws?join=none&room=${number}`,
    subprotocol: "fanwire.v1.json",
    greeting: (member, recovery) =>
      new FanwireGreeting(mode, member, recovery as FanwireRecovery | undefined),
    // Nothing is kept of what is volatile, and of latest only what is newest.
    ...(mode === "stream" && { recovery: () => new FanwireRecovery() }),
    publication(topic, payload) {
      const frame = { type: "publish", topic: fanwireTopic(mode, topic), data: payload };
      return textFrame(mode === "latest" ? { ...frame, key: "value" } : frame);
    },
    read: oneAFrame(),
  };
}

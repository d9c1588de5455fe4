// What the bare engines are spoken to: topics in the query, and messages whose first six digits say which topic they are for.

import { maskedFrame, opcode } from "../../client/frames.ts";
import { type Mode, oneAFrame, type Protocol } from "../protocol.ts";
import { fanwireTopic } from "./fanwire.ts";

/** Digits in front of a message, which are the native topic's name. */
export const topicDigits = 6;

/**
 * What fanwire puts around a payload, so that the bare engine and the floor move as many bytes as it does: `head` and the
 * payload and `tail`. The suite prints bytes per delivery of every target.
 */
export function envelopeOf(mode: Mode, topic: number): { head: string; tail: string } {
  const name = fanwireTopic(mode, topic);
  const frame = { type: "message", topic: name, data: "|", timestamp: 1_700_000_000_000 };
  const positioned = mode === "volatile" ? {} : { offset: 100_000 };
  const keyed = mode === "latest" ? { key: "value" } : {};
  const text = JSON.stringify({ ...frame, userId: "guest-000000000000", ...positioned, ...keyed });
  const [head = "", tail = ""] = text.split("|");
  return { head, tail };
}

export function bareProtocol(mode: Mode): Protocol {
  const name = (topic: number) => String(topic).padStart(topicDigits, "0");
  return {
    path: ({ topics }) => `/ws?topics=${topics.map(name).join(",")}`,
    greeting: () => undefined,
    publication(topic, payload) {
      const { head, tail } = envelopeOf(mode, topic);
      const filled = head.length - topicDigits > 0 ? head.slice(topicDigits) : head;
      return maskedFrame(opcode.binary, Buffer.from(`${name(topic)}${filled}${payload}${tail}`));
    },
    read: oneAFrame(),
  };
}

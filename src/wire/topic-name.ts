// What a topic may be called, and which namespace it belongs to.

import { Buffer } from "node:buffer";
import { FanwireError } from "../errors.ts";

const maxBytes = 255;
const plainName = /^[a-z0-9-]+:[!-)+-~]+$/;
const anyName = /^[a-z0-9-]+:[^\p{Cc}\p{Cs}\p{Z}*]+$/u;

/** Passes a topic's name through, or throws FanwireError `bad-topic`. */
export function checkTopicName(name: unknown): string {
  if (typeof name !== "string") throw new FanwireError("bad-topic", "`topic` must be a string.");
  if (name.length <= maxBytes && plainName.test(name)) return name;
  if (Buffer.byteLength(name) > maxBytes) {
    throw new FanwireError("bad-topic", `A topic's name has at most ${maxBytes} bytes.`);
  }
  if (!anyName.test(name)) {
    throw new FanwireError(
      "bad-topic",
      "A topic is `namespace:name`: the namespace of a-z, 0-9 and -, the name without control characters, spaces or *.",
    );
  }
  return name;
}

export function namespaceOf(topic: string): string {
  return topic.slice(0, topic.indexOf(":"));
}

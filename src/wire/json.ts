// Protocol 1 as JSON in text frames.

import type { Payload } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import type { WireFormat } from "./format.ts";
import type { MessageFrame } from "./frames.ts";
import { JsonData } from "./json-data.ts";
import { jsonMessage } from "./json-message.ts";
import { readJsonPublish } from "./json-publish.ts";

/** A frame, or another object of the JSON data model. */
export function jsonText(frame: object): string {
  const { type, data } = frame as Partial<MessageFrame>;
  if (type === "message" && data instanceof JsonData) return jsonMessage(frame as MessageFrame, data);
  return JSON.stringify(frame);
}

export const json: WireFormat = {
  name: "json",
  subprotocol: "fanwire.v1.json",
  index: 0,
  binary: false,

  encode(frame: object): Payload {
    return jsonText(frame);
  },

  decodeFrame(payload: Payload, maxValues: number): unknown {
    const publish = typeof payload === "string" ? readJsonPublish(payload, maxValues) : undefined;
    return publish ?? json.decode(payload);
  },

  decode(payload: Payload): unknown {
    if (typeof payload !== "string") {
      throw new FanwireError("bad-frame", "fanwire.v1.json takes text frames, not binary ones.");
    }
    try {
      return JSON.parse(payload);
    } catch {
      // Whatever the parser says (Bun also throws RangeError on very deep nesting), it says about the peer's text.
      throw new FanwireError("bad-frame", "The frame is not JSON.");
    }
  },
};

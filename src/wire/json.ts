// Protocol 1 as JSON in text frames.

import type { Payload } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import type { WireFormat } from "./format.ts";

export const json: WireFormat = {
  name: "json",
  subprotocol: "fanwire.v1.json",
  index: 0,
  binary: false,

  encode(frame: object): Payload {
    return JSON.stringify(frame);
  },

  decodeFrame(payload: Payload): unknown {
    return json.decode(payload);
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

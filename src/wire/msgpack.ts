// Protocol 1 as MessagePack in binary frames: the same objects as plain maps. The only file that knows msgpackr.

import { Buffer } from "node:buffer";
import { addExtension, Packr } from "msgpackr";
import type { Payload } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import type { WireFormat } from "./format.ts";
import type { MessageFrame } from "./frames.ts";
import { JsonData } from "./json-data.ts";
import { PackedData } from "./packed-data.ts";
import { packMessage } from "./packed-message.ts";
import { readPackedPublish } from "./packed-publish.ts";
import { checkPlain } from "./plain-msgpack.ts";

// No records, no structured clone: any MessagePack decoder can read what is written. 64-bit integers become numbers.
// No `toJSON`: a key of that name is a stranger's data here, and calling it would throw in the middle of a delivery.
const settings = {
  useRecords: false,
  encodeUndefinedAsNil: true,
  int64AsType: "number",
  useToJSON: false,
  // Else a few kept bytes would keep the whole frame they came in, or a piece of the runtime's pool.
  copyBuffers: true,
} as const;
const packr = new Packr({ ...settings, mapsAsObjects: true });
const intoMaps = new Packr({ ...settings, mapsAsObjects: false });

// Where data that was not decoded stands in an answer, in a list of publications, its value is written.
addExtension({ Class: PackedData, write: (data: PackedData) => data.value });
addExtension({ Class: JsonData, write: (data: JsonData) => data.value });

/** Any value, as frames are packed and what nodes tell each other is (bridge/envelope.ts). */
export function pack(value: unknown): Uint8Array {
  return packr.pack(value);
}

export const msgpack: WireFormat = {
  name: "msgpack",
  subprotocol: "fanwire.v1.msgpack",
  index: 1,
  binary: true,

  encode(frame: object): Payload {
    const { type, data } = frame as Partial<MessageFrame>;
    if (type === "message" && data instanceof PackedData) return packMessage(frame as MessageFrame, data);
    return pack(frame);
  },

  decodeFrame(payload: Payload, maxValues: number): unknown {
    const publish = Buffer.isBuffer(payload) ? readPackedPublish(payload, maxValues) : undefined;
    return publish ?? msgpack.decode(payload, maxValues);
  },

  decode(payload: Payload, maxValues?: number): unknown {
    if (typeof payload === "string") {
      throw new FanwireError("bad-frame", "fanwire.v1.msgpack takes binary frames, not text ones.");
    }
    // msgpackr trusts lengths and runs extensions, so what a stranger sent is checked first.
    const { fault, hasProtoKey } = checkPlain(payload, maxValues);
    if (fault !== undefined)
      throw new FanwireError("bad-frame", `The frame is not plain MessagePack: ${fault}.`);
    return hasProtoKey ? objectsOf(intoMaps.unpack(payload)) : packr.unpack(payload);
  },
};

/** msgpackr renames the key `__proto__` in objects; what JSON.parse makes of the same value has it as it came. */
function objectsOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(objectsOf);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [key, objectsOf(item)]));
}

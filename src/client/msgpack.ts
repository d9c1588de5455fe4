// Frames as MessagePack, for applications that carry binary data or many numbers. The client's only file that knows msgpackr.

import { Packr } from "msgpackr";
import type { ClientFormat } from "./format.ts";

// As the server has it (wire/msgpack.ts): plain maps, no extensions, 64-bit integers as numbers.
const packr = new Packr({
  useRecords: false,
  encodeUndefinedAsNil: true,
  int64AsType: "number",
  useToJSON: false,
  mapsAsObjects: true,
});

/** `createClient(url, { format: msgpack })`. Binary values (`Uint8Array`) are for namespaces declared `binary`. */
export const msgpack: ClientFormat = {
  subprotocol: "fanwire.v1.msgpack",
  encode: (frame) => packr.pack(frame),
  decode: (data) => packr.unpack(new Uint8Array(data as ArrayBuffer)),
};

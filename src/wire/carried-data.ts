// The `data` of a publication in the encoding it came in, checked and not decoded: it goes on as it is to those who read the same
// encoding, and is decoded only for who needs its value. Knows which encodings there are.

import { JsonData } from "./json-data.ts";
import { PackedData } from "./packed-data.ts";

/** No base class: V8 does not inline the constructor of a derived one, and there is one for each publication. */
export type CarriedData = PackedData | JsonData;

export function isCarried(data: unknown): data is CarriedData {
  return data instanceof JsonData || data instanceof PackedData;
}

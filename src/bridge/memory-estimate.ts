// About how much memory a publication takes while it is kept: many times what it had in its frame where it is decoded. Pure.

import { isCarried } from "../wire/carried-data.ts";
import type { Publication } from "./bridge.ts";

/** What Bun was measured to take, rounded up: an empty object with its place in a list takes 50 bytes. */
const objectBytes = 64;
const slotBytes = 16;
const textBytes = 32;
const publicationBytes = 160;

export function memoryOf({ data, event = "", key = "", userId = "" }: Publication): number {
  return publicationBytes + event.length + key.length + userId.length + memoryOfData(data);
}

function memoryOfData(value: unknown): number {
  if (typeof value === "string") return textBytes + value.length;
  if (typeof value !== "object" || value === null) return slotBytes;
  if (isCarried(value)) return 2 * objectBytes + textBytes + value.keptBytes;
  if (value instanceof Uint8Array) return 2 * objectBytes + value.length;
  let bytes = objectBytes;
  if (Array.isArray(value)) {
    for (const item of value) bytes += memoryOfData(item);
    return bytes;
  }
  for (const key in value) {
    bytes += slotBytes + textBytes + key.length + memoryOfData((value as Record<string, unknown>)[key]);
  }
  return bytes;
}

// Frames as server-sent events: the whole JSON frame as one block of `data`, the same for everybody. What a connection has of its
// own, the `id` line, goes before it.

import type { FrameFormat } from "./format.ts";
import { jsonText } from "./json.ts";

export const sse = {
  name: "sse",
  index: 2,
  binary: false,

  /** JSON has no line breaks of its own, so one line is all. The empty line ends the event. */
  encode(frame: object): string {
    return sse.around(jsonText(frame));
  },

  around(json: string): string {
    return `data: ${json}\n\n`;
  },
} as const satisfies FrameFormat;

/** A line that clients skip, and an empty one for those that read block by block. */
export const comment = ":\n\n";

/** Where a client continues. Without data it is no event: the client only remembers it. */
export function idLine(id: string): string {
  return `id: ${id}\n`;
}

/** How long a client waits before it comes back. */
export function retryLine(ms: number): string {
  return `retry: ${ms}\n`;
}

// Writes the `message` frame of a publication whose data is JSON already, as JSON.stringify writes one. Knows nothing of data.
// Pieces are joined: that is little code, and a publication that leaves alone finds none of it in a cache.

import type { MessageFrame } from "./frames.ts";
import type { JsonData } from "./json-data.ts";

export function jsonMessage(frame: MessageFrame, data: JsonData): string {
  const { topic, timestamp, event, key, removed, userId, offset } = frame;
  let rest = "";
  if (event !== undefined) rest += `,"event":${quoted(event)}`;
  if (key !== undefined) rest += `,"key":${quoted(key)}`;
  if (removed) rest += ',"removed":true';
  if (userId !== undefined) rest += `,"userId":${quoted(userId)}`;
  if (offset !== undefined) rest += `,"offset":${offset}`;
  return `{"type":"message","topic":${quoted(topic)},"data":${data.text},"timestamp":${timestamp}${rest}}`;
}

function quoted(text: string): string {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    // Quotes, backslashes, controls, and halves of surrogate pairs.
    if (code < 0x20 || code === 0x22 || code === 0x5c || (code >= 0xd800 && code < 0xe000)) {
      return JSON.stringify(text);
    }
  }
  return `"${text}"`;
}

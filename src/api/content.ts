// Which format a request's body has and its answer gets, and both ways between bytes and values; knows no route.

import type { HttpReply, HttpRequest } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import type { WireFormat } from "../wire/format.ts";
import { json } from "../wire/json.ts";
import { msgpack } from "../wire/msgpack.ts";
import { Refusal } from "./refusal.ts";

type Headers = HttpRequest["headers"];

const formats: Readonly<Record<string, WireFormat>> = {
  "application/json": json,
  "application/msgpack": msgpack,
};
const known = Object.keys(formats).join(" and ");

/** The format of a request's body; throws Refusal 415. */
export function bodyFormat(headers: Headers): WireFormat {
  const encoding = headers.get("content-encoding") ?? "identity";
  if (encoding.toLowerCase() !== "identity") throw unsupported("The body must not be compressed.");
  const [type = "", ...parameters] = (headers.get("content-type") ?? "application/json")
    .toLowerCase()
    .split(";")
    .map((part) => part.trim());
  const format = Object.hasOwn(formats, type) ? formats[type] : undefined;
  if (!format) throw unsupported(`A body's Content-Type is one of ${known}.`);
  const charset = parameters.find((parameter) => parameter.startsWith("charset="));
  if (charset !== undefined && !/^charset="?utf-8"?$/.test(charset)) {
    throw unsupported("A body's charset is utf-8.");
  }
  return format;
}

/** The format that the client likes best, `preferred` where it likes both as much; throws Refusal 406. */
export function answerFormat(headers: Headers, preferred: WireFormat): WireFormat {
  const accept = headers.get("accept");
  if (accept === undefined) return preferred;
  const ranges = accept.toLowerCase().split(",").map(parseRange);
  const wishes = Object.entries(formats)
    .map(([type, format]) => ({ format, quality: qualityOf(type, ranges) }))
    .filter(({ quality }) => quality > 0)
    .sort((a, b) => b.quality - a.quality);
  const [best] = wishes;
  if (!best) throw new Refusal(406, `An answer's type is one of ${known}.`);
  const isPreferred = wishes.some(({ format, quality }) => format === preferred && quality === best.quality);
  return isPreferred ? preferred : best.format;
}

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function parseRange(range: string): MediaRange {
  const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
  const quality = parameters.find((parameter) => parameter.startsWith("q="));
  return { type, quality: quality === undefined ? 1 : Number(quality.slice(2)) || 0 };
}

/** Of the ranges that cover a type the most exact one counts. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  for (const pattern of [type, "application/*", "*/*"]) {
    const range = ranges.find((each) => each.type === pattern);
    if (range) return range.quality;
  }
  return 0;
}

function unsupported(message: string): Refusal {
  return new Refusal(415, message);
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** What a body says; undefined where it is empty. Throws FanwireError `bad-frame`. */
export function decodeBody(bytes: Uint8Array, format: WireFormat): unknown {
  if (bytes.length === 0) return undefined;
  if (format.binary) return format.decode(bytes);
  let text: string;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new FanwireError("bad-frame", "The body is not UTF-8.");
  }
  return format.decode(text);
}

export function encodeAnswer(
  status: number,
  answer: object,
  format: WireFormat,
  headers: Readonly<Record<string, string>> = {},
): HttpReply {
  const contentType = format === json ? "application/json" : "application/msgpack";
  return {
    status,
    headers: { "content-type": contentType, "cache-control": "no-store", ...headers },
    body: format.encode(answer),
  };
}

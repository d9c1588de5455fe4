// From a decoded value to a frame that a client may send, field by field; knows nothing of grants, namespaces or limits.
// A publish is assembled by assignment, as messages are (message.ts): spreading was a tenth of its JavaScript on Bun.

import type { Position } from "../bridge/bridge.ts";
import { FanwireError } from "../errors.ts";
import type { ClientFrame, PublishFrame } from "./frames.ts";
import type { Writable } from "./message.ts";
import { recent } from "./recent.ts";
import { checkTopicName } from "./topic-name.ts";

type Fields = Readonly<Record<string, unknown>>;
/** What of a publish is not about where to. */
type PublishFields = Omit<PublishFrame, "type" | "id" | "topic">;

const maxNameLength = 128;

export function isFields(value: unknown): value is Fields {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

/** Well-formed, because half a surrogate pair is one name in JSON and another in UTF-8. */
function isName(value: unknown): value is string {
  if (typeof value !== "string" || value.length === 0 || value.length > maxNameLength) return false;
  return !/\p{Cs}/u.test(value);
}

export function badFrame(message: string): FanwireError {
  return new FanwireError("bad-frame", message);
}

/** The `id` that an answer to this value has to carry, if it has a usable one. */
export function frameId(value: unknown): number | undefined {
  return isFields(value) && isCount(value.id) && value.id > 0 ? value.id : undefined;
}

function parsePosition(value: unknown): Position | undefined {
  if (value === undefined) return undefined;
  if (!isFields(value) || !isName(value.epoch) || !isCount(value.offset)) {
    throw new FanwireError(
      "bad-position",
      "`since` is {epoch, offset}: the epoch as received, the offset an integer from 0.",
    );
  }
  return { epoch: value.epoch, offset: value.offset };
}

function parseToken(value: unknown): string {
  if (typeof value !== "string" || value === "") throw badFrame("`token` must be a string.");
  return value;
}

/** Reads the fields of a publish into what there is of it already, and answers that. What is undefined is left out. */
export function publishFields<Begun extends object>(fields: Fields, begun: Begun): Begun & PublishFields {
  const { data, event, key, removed, idempotencyKey, echo } = fields;
  if (data === undefined && removed !== true) throw new FanwireError("bad-data", "`data` is missing.");
  if (key !== undefined && !isName(key)) {
    throw new FanwireError("bad-data", `\`key\` is a string of 1 to ${maxNameLength} characters.`);
  }
  if (removed !== undefined && typeof removed !== "boolean") throw badFrame("`removed` is true or false.");
  if (event !== undefined && !isName(event)) {
    throw new FanwireError("bad-data", `\`event\` is a string of 1 to ${maxNameLength} characters.`);
  }
  if (idempotencyKey !== undefined && !isName(idempotencyKey)) {
    throw badFrame(`\`idempotencyKey\` is a string of 1 to ${maxNameLength} characters.`);
  }
  if (echo !== undefined && typeof echo !== "boolean") throw badFrame("`echo` is true or false.");
  const frame = begun as Begun & Writable<PublishFields>;
  frame.data = data ?? null;
  if (key !== undefined) frame.key = key;
  if (removed === true) frame.removed = removed;
  if (event !== undefined) frame.event = event;
  if (idempotencyKey !== undefined) frame.idempotencyKey = idempotencyKey;
  if (echo !== undefined) frame.echo = echo;
  return frame;
}

function publishFrame(fields: Fields, id: number | undefined): PublishFrame {
  const topic = checkTopicName(fields.topic);
  const frame: PublishFrame =
    id === undefined
      ? publishFields(fields, { type: "publish", topic })
      : publishFields(fields, { type: "publish", topic, id });
  recent.decoded = fields;
  recent.frame = frame;
  return frame;
}

export function historyFields(fields: Fields) {
  const since = parsePosition(fields.since);
  const { limit } = fields;
  if (limit !== undefined && (!isCount(limit) || limit === 0)) {
    throw badFrame("`limit` is an integer from 1.");
  }
  return { ...(since && { since }), ...(limit !== undefined && { limit }) };
}

function callFields(fields: Fields) {
  if (!isName(fields.method)) {
    throw badFrame(`\`method\` is a string of 1 to ${maxNameLength} characters.`);
  }
  return { method: fields.method, ...(fields.data !== undefined && { data: fields.data }) };
}

/**
 * Validates one decoded value. Fields the protocol does not know are ignored, so that later clients can talk to this server.
 * `id`: what `frameId` answers for it, where that is known. Throws FanwireError `bad-frame`, `unknown-type`, `bad-topic`,
 * `bad-position` or `bad-data`, by the field at fault.
 */
export function parseClientFrame(value: unknown, id = frameId(value)): ClientFrame {
  if (!isFields(value)) throw badFrame("A frame is an object.");
  if (value.id !== undefined && id === undefined) throw badFrame("`id` is a positive integer.");
  // Before the others, which come far less often and may be spread together.
  if (value.type === "publish") return publishFrame(value, id);
  const base = id === undefined ? {} : { id };
  switch (value.type) {
    case "ping":
      return { type: "ping", ...base };
    case "subscribe": {
      const topic = checkTopicName(value.topic);
      const since = parsePosition(value.since);
      const { maxRateHz } = value;
      if (maxRateHz !== undefined && !(typeof maxRateHz === "number" && maxRateHz >= 1)) {
        throw badFrame("`maxRateHz` is a number from 1.");
      }
      if (id === undefined) throw badFrame("A subscribe needs an id: its answer carries what was missed.");
      return {
        type: "subscribe",
        id,
        topic,
        ...(since && { since }),
        ...(maxRateHz !== undefined && { maxRateHz }),
      };
    }
    case "unsubscribe":
      return { type: "unsubscribe", ...base, topic: checkTopicName(value.topic) };
    case "history":
      return { type: "history", ...base, topic: checkTopicName(value.topic), ...historyFields(value) };
    case "presence":
      return { type: "presence", ...base, topic: checkTopicName(value.topic) };
    case "refresh":
      return { type: "refresh", ...base, token: parseToken(value.token) };
    case "call":
      return { type: "call", ...base, ...callFields(value) };
    default:
      if (typeof value.type !== "string") throw badFrame("`type` must be a string.");
      throw new FanwireError(
        "unknown-type",
        `There is no frame of type ${JSON.stringify(value.type.slice(0, 32))}.`,
      );
  }
}

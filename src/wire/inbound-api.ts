// From decoded values to what a server asks of the API, field by field as in client frames; knows no route and no limits.

import { Buffer } from "node:buffer";
import { FanwireError } from "../errors.ts";
import type { HistoryFrame } from "./frames.ts";
import { badFrame, historyFields, isFields, publishFields } from "./inbound.ts";
import { checkTopicName } from "./topic-name.ts";

/** A publication by somebody with every right. */
export interface ServerPublication {
  readonly topic: string;
  readonly data: unknown;
  readonly event?: string | undefined;
  readonly key?: string | undefined;
  readonly removed?: boolean | undefined;
  readonly idempotencyKey?: string | undefined;
  /** On whose behalf; nobody's where it is left out. */
  readonly userId?: string | undefined;
}

/** What a request says of a publication beside its body. */
export interface Beside {
  readonly topic?: string | undefined;
  readonly idempotencyKey?: string | undefined;
}

const maxUserIdBytes = 128;
/** A close frame has 125 bytes, two of them for the code. */
const maxReasonBytes = 123;

/** Throws FanwireError `bad-frame`, `bad-topic` or `bad-data`, by the field at fault. */
export function parsePublication(value: unknown, beside: Beside = {}): ServerPublication {
  if (!isFields(value)) throw badFrame("A publication is an object.");
  const topic = checkTopicName(beside.topic ?? value.topic);
  const { idempotencyKey = beside.idempotencyKey, userId } = value;
  if (beside.idempotencyKey !== undefined && idempotencyKey !== beside.idempotencyKey) {
    throw badFrame("`idempotencyKey` and the header Idempotency-Key contradict each other.");
  }
  const fields = publishFields({ ...value, idempotencyKey, echo: undefined }, {});
  return { topic, ...fields, ...(userId !== undefined && { userId: checkUserId(userId) }) };
}

/** The items of a batch, not looked at yet. Throws FanwireError `bad-frame`. */
export function parseBatch(value: unknown, mostItems: number): readonly unknown[] {
  const items = isFields(value) ? value.publications : undefined;
  if (Array.isArray(items) && items.length <= mostItems) return items;
  throw badFrame(`A batch is {publications}: a list of at most ${mostItems} publications.`);
}

/** Passes a user's id through, or throws FanwireError `bad-frame`. */
export function checkUserId(value: unknown): string {
  if (typeof value === "string" && value !== "" && Buffer.byteLength(value) <= maxUserIdBytes) {
    try {
      // Every user has the topic `user:<userId>`, so what cannot be in a topic is nobody's id.
      checkTopicName(`user:${value}`);
      return value;
    } catch {
      // Said below, of the field it is about.
    }
  }
  throw badFrame(
    `A user's id is a string of 1 to ${maxUserIdBytes} bytes without control characters, spaces or *.`,
  );
}

/** What a client is told when it is disconnected. Throws FanwireError `bad-frame`. */
export function parseDisconnect(value: unknown): { readonly reason?: string } {
  if (value === undefined) return {};
  if (!isFields(value)) throw badFrame("The body is an object, or there is none.");
  const { reason } = value;
  if (reason === undefined) return {};
  const isPlain = typeof reason === "string" && reason !== "" && !/[\p{Cc}\p{Cs}]/u.test(reason);
  if (isPlain && Buffer.byteLength(reason) <= maxReasonBytes) return { reason };
  throw badFrame(`\`reason\` is a string of 1 to ${maxReasonBytes} bytes without control characters.`);
}

/** `since=epoch:offset&limit=`. Throws FanwireError `bad-position` or `bad-frame`. */
export function parseHistoryQuery(query: URLSearchParams): Pick<HistoryFrame, "since" | "limit"> {
  const [since, limit] = [query.get("since"), query.get("limit")];
  return historyFields({
    ...(since !== null && { since: parseSince(since) }),
    ...(limit !== null && { limit: wholeNumber(limit) }),
  });
}

function parseSince(text: string): object {
  const [, epoch, offset = ""] = /^(.*):(\d+)$/su.exec(text) ?? [];
  if (epoch === undefined) {
    throw new FanwireError("bad-position", "`since` is epoch:offset, the offset an integer from 0.");
  }
  return { epoch, offset: wholeNumber(offset) };
}

function wholeNumber(text: string): number {
  return /^\d+$/.test(text) ? Number(text) : Number.NaN;
}

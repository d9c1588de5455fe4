// Reading what Redis replied: anybody may have written there, so nothing of it is taken for granted.

import { type Call, RedisError, type Reply } from "./connection.ts";

/** A call and how its reply is read. */
export interface Operation<Result> {
  readonly call: Call;
  /** Throws RedisError for a refused call, and for a reply that is not one of ours (`code` MALFORMED). */
  parse(reply: Reply | RedisError | undefined): Result;
}

/** The reply is something else than the script that we sent can say. */
export function malformedReply(what: string): RedisError {
  return new RedisError(`MALFORMED reply from Redis: no ${what} where one belongs`);
}

/** What a reply says, or why it says nothing. */
export function readReply<Result>(
  { parse }: Operation<Result>,
  reply: Reply | RedisError | undefined,
): Result | RedisError {
  try {
    return parse(reply);
  } catch (refusal) {
    if (refusal instanceof RedisError) return refusal;
    throw refusal;
  }
}

export function accepted(reply: Reply | RedisError | undefined): Reply {
  if (reply instanceof RedisError) throw reply;
  if (reply === undefined) throw malformedReply("reply");
  return reply;
}

export function listIn(reply: Reply | RedisError | undefined): readonly Reply[] {
  if (Array.isArray(reply)) return reply;
  if (reply instanceof RedisError) throw reply;
  throw malformedReply("list");
}

export function bytesIn(reply: Reply | undefined): Uint8Array {
  if (reply instanceof Uint8Array) return reply;
  throw malformedReply("bytes");
}

export function textIn(reply: Reply | undefined): string {
  const bytes = bytesIn(reply);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
}

export function countIn(reply: Reply | undefined): number {
  if (Number.isSafeInteger(reply) && (reply as number) >= 0) return reply as number;
  throw malformedReply("count");
}

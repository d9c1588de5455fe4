// What the API answers when it does not do what it was asked, as status, code and sentence; knows no route.

import { BodyError } from "../engine/body.ts";
import { type ErrorCode, errorRules, FanwireError } from "../errors.ts";
import type { Log } from "../log.ts";

type Headers = Readonly<Record<string, string>>;

/** A failure of HTTP's own, whose status says more than its code does. */
export class Refusal extends FanwireError {
  readonly status: number;
  readonly headers: Headers;

  constructor(status: number, message: string, headers: Headers = {}, code: ErrorCode = "bad-frame") {
    super(code, message);
    this.name = "Refusal";
    this.status = status;
    this.headers = headers;
  }
}

const retryAfterSeconds = "2";
/** Behind a body that was not read to its end nothing can follow. */
const last = { connection: "close" };

/** Any failure as one that has a code. What nobody foresaw is logged, and nothing of it is told. */
export function asFanwireError(failure: unknown, log: Log): FanwireError {
  if (failure instanceof FanwireError) return failure;
  if (!(failure instanceof BodyError)) {
    log.error("api-failed", { error: failure });
    return new FanwireError("internal", "The server failed to do this.");
  }
  return failure.fault === "too-large"
    ? new Refusal(413, "The body is too large.", last, "too-large")
    : new Refusal(408, "The body took too long to arrive.", last, "timeout");
}

export function statusOf(failure: FanwireError): number {
  return failure instanceof Refusal ? failure.status : errorRules[failure.code].status;
}

export function headersOf(failure: FanwireError): Headers {
  if (failure instanceof Refusal) return failure.headers;
  return statusOf(failure) === 503 ? { "retry-after": retryAfterSeconds } : {};
}

/** The shape every error has, of a whole request or of one item of a batch. */
export function errorBody({ code, message }: FanwireError): { readonly error: object } {
  return { error: { code, message } };
}

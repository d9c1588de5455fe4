// What the client rejects with; the server's codes, and one of its own. Knows nothing of frames.

import type { ErrorCode } from "../errors.ts";
import type { ErrorFrame } from "../wire/frames.ts";

/** `closed`: the client is closed, by the application or because the server asked it to stay away. */
export type ClientErrorCode = ErrorCode | "closed";

/**
 * Why something did not happen. `code` is the server's (PROTOCOL.md lists them) or `closed`. The client itself says:
 * `timeout`, it was never sent within its time, or was only a question; `outcome-unknown`, it was sent and may have happened;
 * `too-many`, the queue is full; `bad-data`, it cannot be encoded.
 */
export class FanwireClientError extends Error {
  readonly code: ClientErrorCode;
  /** Whether the same may succeed later. */
  readonly retryable: boolean;

  constructor(code: ClientErrorCode, message: string, retryable = false) {
    super(message);
    this.name = "FanwireClientError";
    this.code = code;
    this.retryable = retryable;
  }
}

/** What the server said against something. */
export function refusal({ code, message, retryable }: ErrorFrame): FanwireClientError {
  return new FanwireClientError(code, message, retryable);
}

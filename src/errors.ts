// Every error code and close code fanwire can send, and what a client does about each; knows nothing of sockets.

/** What an error code means. `retryable`: the same request may succeed later. `status`: the HTTP status that carries it. */
export interface ErrorRule {
  readonly retryable: boolean;
  readonly status: number;
  readonly meaning: string;
}

export const errorRules = {
  "bad-frame": { retryable: false, status: 400, meaning: "The frame is not an object of the protocol." },
  "unknown-type": {
    retryable: false,
    status: 400,
    meaning: "The frame's `type` is not one of the protocol.",
  },
  "bad-topic": { retryable: false, status: 400, meaning: "The topic's name is missing or malformed." },
  "unknown-namespace": { retryable: false, status: 404, meaning: "The topic's namespace is not declared." },
  "bad-data": { retryable: false, status: 400, meaning: "`data`, `key` or `event` is missing or malformed." },
  "bad-position": { retryable: false, status: 400, meaning: "`since` is not a position." },
  forbidden: { retryable: false, status: 403, meaning: "The token's grants do not cover this." },
  unauthorized: {
    retryable: false,
    status: 401,
    meaning: "The token is missing, malformed, expired or not ours.",
  },
  "too-large": { retryable: false, status: 413, meaning: "A frame or a publication is over its size limit." },
  "too-many": { retryable: false, status: 429, meaning: "A limit on a number of things is reached." },
  "rate-limited": { retryable: true, status: 429, meaning: "Too much in too short a time." },
  "not-subscribed": { retryable: false, status: 409, meaning: "The request needs a subscription first." },
  "mode-mismatch": { retryable: false, status: 409, meaning: "The topic's mode has no such feature." },
  unavailable: {
    retryable: true,
    status: 503,
    meaning: "The bridge between nodes is away, or the keys of tokens are.",
  },
  "outcome-unknown": {
    retryable: true,
    status: 503,
    meaning: "The acknowledgement was lost: retry with the same idempotency key.",
  },
  timeout: { retryable: true, status: 504, meaning: "The deadline passed before there was an answer." },
  "unknown-method": { retryable: false, status: 404, meaning: "The application has no such call." },
  "call-failed": { retryable: false, status: 500, meaning: "The application's handler failed." },
  draining: { retryable: true, status: 503, meaning: "The node is closing." },
  internal: { retryable: true, status: 500, meaning: "A fault of the server's own." },
} as const satisfies Record<string, ErrorRule>;

export type ErrorCode = keyof typeof errorRules;

/** The one error class: `code` comes from the table above, `message` is a sentence for a person. */
export class FanwireError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "FanwireError";
    this.code = code;
  }

  get retryable(): boolean {
    return errorRules[this.code].retryable;
  }
}

/** A close code. `client`: what the client does about it. */
export interface CloseRule {
  readonly code: number;
  readonly client: string;
}

/** The close codes the server sends, by the reason that goes with them. */
export const closeRules = {
  unauthorized: { code: 1008, client: "Gets a new token, comes back once, then stays away." },
  "too-large": { code: 1009, client: "Comes back without repeating the frame. May arrive as 1006." },
  draining: { code: 1012, client: "Comes back within the announced time, spread." },
  overloaded: { code: 1013, client: "Backs off." },
  disconnected: { code: 4000, client: "Stays away." },
  "token-expired": { code: 4001, client: "Gets a new token, comes back." },
  "slow-consumer": { code: 4002, client: "Comes back at once and recovers." },
  "rate-limited": { code: 4003, client: "Backs off." },
  "protocol-error": { code: 4004, client: "Stays away." },
  "heartbeat-timeout": { code: 4005, client: "Comes back at once." },
} as const satisfies Record<string, CloseRule>;

export type CloseReason = keyof typeof closeRules;

// Tokens to claims: who a connection belongs to and what its token grants; knows nothing of connections. The door to jose.

import { randomUUID } from "node:crypto";
import { errors, type JWTPayload, type JWTVerifyOptions, jwtVerify } from "jose";
import type { Limits } from "../config/limits.ts";
import type { Options } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import { checkTopicName } from "../wire/topic-name.ts";
import { type Grants, guestGrants, isPattern } from "./grants.ts";
import { type KeyHint, keySetAlgorithms } from "./key-set.ts";

/** What a verified token says. */
export interface Claims extends Grants {
  readonly userId: string;
  /** Unix milliseconds; absent when the token does not expire. Stays in force for `clockToleranceMs` more. */
  readonly expiresAt?: number;
  /** What others may be told of the user. */
  readonly info?: Readonly<Record<string, unknown>>;
}

/** How far the clock of whoever signs tokens may be from ours. */
export const clockToleranceMs = 5000;

const maxUserIdBytes = 128;
const maxGrants = 1000;
/** The last millisecond a date can have; a token may name a later one. */
const endOfTimeMs = 8_640_000_000_000_000;

interface TokenRules extends Pick<Options, "jwtIssuer" | "jwtAudience"> {
  readonly limits: Pick<Limits, "maxTokenBytes">;
}

export interface VerifierOptions extends TokenRules {
  readonly jwtSecret: string;
}

export interface KeyVerifierOptions extends TokenRules {
  /** The public key that a token claims to be signed with. Rejects with FanwireError `unauthorized` or `unavailable`. */
  readonly findKey: (hint: KeyHint) => Promise<CryptoKey>;
}

/**
 * Verifies a token: the algorithm it names is never believed. Rejects with FanwireError `unauthorized`, whose message says
 * what is wrong without repeating the token, or `unavailable` where this cannot be told at the moment.
 */
export type Verify = (token: string) => Promise<Claims>;

/** Verifies tokens signed with HS256 and our secret, and no others. `now`: Unix milliseconds. */
export function createVerifier(options: VerifierOptions, now: () => number): Verify {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const secret = Buffer.from(options.jwtSecret);
  const key = crypto.subtle.importKey("raw", secret, algorithm, false, ["verify"]);
  return verifier(options, ["HS256"], () => key, now);
}

/** Verifies tokens signed with the private half of one of our keys, each by its own algorithm, and no others. */
export function createKeyVerifier(options: KeyVerifierOptions, now: () => number): Verify {
  return verifier(options, keySetAlgorithms, options.findKey, now);
}

function verifier(
  rules: TokenRules,
  algorithms: readonly string[],
  findKey: (hint: KeyHint) => Promise<CryptoKey>,
  now: () => number,
): Verify {
  const { jwtIssuer, jwtAudience } = rules;
  const { maxTokenBytes } = rules.limits;
  const expected: JWTVerifyOptions = {
    algorithms: [...algorithms],
    clockTolerance: clockToleranceMs / 1000,
    ...(jwtIssuer !== undefined && { issuer: jwtIssuer }),
    ...(jwtAudience !== undefined && { audience: jwtAudience }),
  };
  return async (token) => {
    if (Buffer.byteLength(token) > maxTokenBytes) {
      throw unauthorized(`The token is longer than ${maxTokenBytes} bytes.`);
    }
    let payload: JWTPayload;
    try {
      ({ payload } = await jwtVerify(token, findKey, { ...expected, currentDate: new Date(now()) }));
    } catch (error) {
      if (error instanceof FanwireError) throw error;
      throw unauthorized(whatIsWrong(error, algorithms), error);
    }
    return readClaims(payload);
  };
}

/** Someone without a token, in development mode. */
export function createGuest(): Claims {
  const { subscribe, publish } = guestGrants;
  return { userId: `guest-${randomUUID().slice(-12)}`, subscribe, publish };
}

function unauthorized(message: string, cause?: unknown): FanwireError {
  return new FanwireError("unauthorized", message, { cause });
}

function whatIsWrong(error: unknown, algorithms: readonly string[]): string {
  if (error instanceof errors.JWTExpired) return "The token has expired.";
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === "nbf"
      ? "The token is not valid yet."
      : `The token's \`${error.claim}\` is missing or not accepted.`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) {
    return `The token is not signed with ${algorithms.join(", ")}.`;
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) return "The token's signature is not ours.";
  return "The token is malformed.";
}

function readClaims(payload: JWTPayload): Claims {
  const { sub, exp } = payload;
  const grants = readFanwireClaim(payload.fanwire);
  const userId = readUserId(sub);
  if (exp === undefined) return { userId, ...grants };
  return { userId, expiresAt: Math.min(Math.floor(exp * 1000), endOfTimeMs), ...grants };
}

function readUserId(sub: unknown): string {
  if (typeof sub !== "string" || sub === "")
    throw unauthorized("The token's `sub` is missing or not accepted.");
  if (Buffer.byteLength(sub) > maxUserIdBytes) {
    throw unauthorized(`The token's \`sub\` is longer than ${maxUserIdBytes} bytes.`);
  }
  try {
    // Every user has the topic `user:<sub>`, so what cannot be in a topic cannot be in here.
    checkTopicName(`user:${sub}`);
  } catch {
    throw unauthorized("The token's `sub` must not have control characters, spaces or *.");
  }
  return sub;
}

function readFanwireClaim(claim: unknown): Grants & Pick<Claims, "info"> {
  if (claim === undefined) return { subscribe: [], publish: [] };
  if (!isObject(claim)) throw unauthorized("The token's `fanwire` must be an object.");
  const { subscribe, publish, info, ...others } = claim;
  if (Object.keys(others).length > 0) {
    throw unauthorized("The token's `fanwire` must have nothing but `subscribe`, `publish` and `info`.");
  }
  if (info !== undefined && !isObject(info))
    throw unauthorized("The token's `fanwire.info` must be an object.");
  return {
    subscribe: readPatterns("subscribe", subscribe),
    publish: readPatterns("publish", publish),
    ...(info !== undefined && { info }),
  };
}

function readPatterns(name: string, patterns: unknown): readonly string[] {
  if (patterns === undefined) return [];
  if (!Array.isArray(patterns) || patterns.length > maxGrants) {
    throw unauthorized(`The token's \`fanwire.${name}\` must be a list of at most ${maxGrants} topics.`);
  }
  if (!patterns.every((pattern) => typeof pattern === "string" && isPattern(pattern))) {
    throw unauthorized(
      `The token's \`fanwire.${name}\` has an entry that is not a topic, nor one ending in *.`,
    );
  }
  return patterns;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

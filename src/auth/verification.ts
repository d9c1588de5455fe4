// How this node verifies tokens: with its secret, or with keys from a file or a URL. Wires, and decides nothing else.

import { ConfigError } from "../config/config.ts";
import type { Options } from "../config/options.ts";
import type { Log } from "../log.ts";
import { createKeyVerifier, createVerifier, type Verify } from "./auth.ts";
import { fromFile, fromUrl } from "./key-documents.ts";
import { Keys } from "./keys.ts";

export interface Verification {
  readonly verify: Verify;
  /** Whether tokens can be verified at the moment. */
  readonly isReady: () => boolean;
  /** Rejects with a ConfigError where tokens cannot be verified and waiting will not help. */
  start(): Promise<void>;
  /** Once a second. */
  tick(): void;
}

/** A file costs nothing to read: often enough that a change is in force before anybody looks for it. */
const fileRefreshMs = 2000;
const fileCooldownMs = 1000;

/** Undefined in development mode, where no token is verified. */
export function createVerification(options: Options, log: Log, now: () => number): Verification | undefined {
  const { jwtSecret, jwksFile, jwksUrl } = options;
  if (jwtSecret !== undefined) {
    const verify = createVerifier({ ...options, jwtSecret }, now);
    return { verify, isReady: () => true, start: async () => undefined, tick: () => undefined };
  }
  if (jwksFile !== undefined) return withFile(jwksFile, options, log, now);
  if (jwksUrl !== undefined) return withUrl(jwksUrl, options, log, now);
  return undefined;
}

function withFile(path: string, options: Options, log: Log, now: () => number): Verification {
  const keys = new Keys({
    read: fromFile(path, options.limits.maxJwksBytes),
    name: path,
    refreshMs: fileRefreshMs,
    cooldownMs: fileCooldownMs,
    log,
    now: () => performance.now(),
  });
  const start = () =>
    keys.start().catch((error: Error) => {
      const value = `FANWIRE_JWKS_FILE (jwksFile) is ${JSON.stringify(path)}`;
      throw new ConfigError(`${value}: must be a file with a JSON Web Key Set (${error.message})`);
    });
  return withKeys(keys, start, options, now);
}

/** A URL that does not answer is no reason not to start: the node is not ready until it does. */
function withUrl(url: string, options: Options, log: Log, now: () => number): Verification {
  const { maxJwksBytes, jwksTimeoutMs, jwksRefreshMs, jwksCooldownMs } = options.limits;
  const { origin, pathname } = new URL(url);
  const keys = new Keys({
    read: fromUrl(url, maxJwksBytes, jwksTimeoutMs),
    // A query may hold what is not for the log.
    name: origin + pathname,
    refreshMs: jwksRefreshMs,
    cooldownMs: jwksCooldownMs,
    log,
    now: () => performance.now(),
  });
  return withKeys(keys, async () => void keys.tick(), options, now);
}

function withKeys(keys: Keys, start: () => Promise<void>, options: Options, now: () => number): Verification {
  const verify = createKeyVerifier({ ...options, findKey: (hint) => keys.find(hint) }, now);
  return { verify, isReady: () => keys.areThere, start, tick: () => void keys.tick() };
}

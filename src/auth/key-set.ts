// A JSON Web Key Set: which keys it has, and the one that may verify a token; knows no tokens and not where sets come from.

import type { webcrypto } from "node:crypto";
import { FanwireError } from "../errors.ts";

type ImportParameters = Parameters<typeof crypto.subtle.importKey>[2];

interface Algorithm {
  readonly kty: "RSA" | "EC" | "OKP";
  readonly crv?: string;
  readonly parameters: ImportParameters;
}

const rsa = (name: string, bits: number): Algorithm => {
  return { kty: "RSA", parameters: { name, hash: `SHA-${bits}` } };
};
const ec = (crv: string): Algorithm => ({ kty: "EC", crv, parameters: { name: "ECDSA", namedCurve: crv } });
const ed25519: Algorithm = { kty: "OKP", crv: "Ed25519", parameters: { name: "Ed25519" } };

/** By the names that tokens give them. None is symmetric: in a set that others may read, a secret is none. */
const algorithms: Readonly<Record<string, Algorithm>> = {
  RS256: rsa("RSASSA-PKCS1-v1_5", 256),
  RS384: rsa("RSASSA-PKCS1-v1_5", 384),
  RS512: rsa("RSASSA-PKCS1-v1_5", 512),
  PS256: rsa("RSA-PSS", 256),
  PS384: rsa("RSA-PSS", 384),
  PS512: rsa("RSA-PSS", 512),
  ES256: ec("P-256"),
  ES384: ec("P-384"),
  ES512: ec("P-521"),
  EdDSA: ed25519,
  Ed25519: ed25519,
};

export const keySetAlgorithms: readonly string[] = Object.keys(algorithms);

/** More are no set of an issuer's, and each of them costs an import. */
const maxKeys = 100;
const leastRsaBits = 2048;

/** What a token's header says of the key it was signed with. As sent: nothing of it is verified. */
export interface KeyHint {
  readonly alg?: unknown;
  readonly kid?: unknown;
}

interface Entry {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  readonly key: CryptoKey;
}

/** Keys, each of which verifies with one algorithm and no other, whatever a token says. */
export class KeySet {
  /** What was in the document and is not used, with the reason: for the log. */
  readonly ignored: readonly string[];
  readonly #entries: readonly Entry[];

  constructor(entries: readonly Entry[], ignored: readonly string[]) {
    this.#entries = entries;
    this.ignored = ignored;
  }

  get kids(): readonly (string | undefined)[] {
    return this.#entries.map(({ kid }) => kid);
  }

  /**
   * The key that a token claims to be signed with; undefined where there is none, so that a newer set may have it.
   * @throws FanwireError `unauthorized` where the key named is for another algorithm, or where several keys fit.
   */
  find({ alg, kid }: KeyHint): CryptoKey | undefined {
    const named = kid === undefined ? this.#entries : this.#entries.filter((entry) => entry.kid === kid);
    const wanted = typeof alg === "string" ? algorithms[alg] : undefined;
    const [fits, another] = named.filter(({ algorithm }) => algorithm === wanted);
    if (another) throw new FanwireError("unauthorized", "More than one key fits: the token needs a `kid`.");
    if (!fits && kid !== undefined && named.length > 0) {
      throw new FanwireError("unauthorized", "The token is not signed with the algorithm of its key.");
    }
    return fits?.key;
  }
}

/** Reads a set. Single keys that cannot be used are left out; rejects where none is left, or where this is no set. */
export async function parseKeySet(text: string): Promise<KeySet> {
  const jwks = readKeys(text);
  if (jwks.length > maxKeys) throw new Error(`has ${jwks.length} keys, more than ${maxKeys}`);
  const entries: Entry[] = [];
  const ignored: string[] = [];
  for (const jwk of jwks) {
    try {
      entries.push(await importKey(jwk));
    } catch (error) {
      ignored.push(`${JSON.stringify(jwk.kid) ?? "without kid"}: ${(error as Error).message}`);
    }
  }
  if (entries.length === 0) throw new Error(["has no key that can be used", ...ignored].join("; "));
  return new KeySet(entries, ignored);
}

function readKeys(text: string): readonly Record<string, unknown>[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error("is not JSON");
  }
  if (isObject(document) && Array.isArray(document.keys) && document.keys.every(isObject)) {
    return document.keys;
  }
  throw new Error("is not a JSON Web Key Set");
}

async function importKey(jwk: Record<string, unknown>): Promise<Entry> {
  if (jwk.kty === "oct") throw new Error("a symmetric key has no place in a key set");
  if ("d" in jwk) throw new Error("a private key has no place in a key set");
  if (jwk.use !== undefined && jwk.use !== "sig") throw new Error("not for signatures");
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify"))) {
    throw new Error("not for verifying");
  }
  const algorithm = algorithms[nameOfAlgorithm(jwk)]!;
  // Without `alg`, `use` and the like, which are checked above: the runtimes differ in which of their spellings they know.
  const { kty, n, e, crv, x, y } = jwk;
  const material = kty === "RSA" ? { kty, n, e } : kty === "EC" ? { kty, crv, x, y } : { kty, crv, x };
  const { parameters } = algorithm;
  const key = await crypto.subtle.importKey("jwk", material as webcrypto.JsonWebKey, parameters, false, [
    "verify",
  ]);
  const { modulusLength } = key.algorithm as { modulusLength?: number };
  if (modulusLength !== undefined && modulusLength < leastRsaBits) {
    throw new Error(`RSA of ${modulusLength} bits, less than ${leastRsaBits}`);
  }
  return { kid: typeof jwk.kid === "string" ? jwk.kid : undefined, algorithm, key };
}

/** What `alg` says, where it fits the key; without `alg` what such a key is used for everywhere: RS256 for RSA. */
function nameOfAlgorithm({ kty, crv, alg }: Record<string, unknown>): string {
  const fits = ([name, algorithm]: [string, Algorithm]) =>
    algorithm.kty === kty &&
    (algorithm.crv === undefined || algorithm.crv === crv) &&
    (alg === undefined || alg === name);
  const found = Object.entries(algorithms).find(fits);
  if (!found) throw new Error("of a kind that is not used here");
  return found[0];
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// Tokens verified with a key set: every kind of key, each for its own algorithm, and what in a set is no key of ours.

import { describe, expect, test } from "bun:test";
import { exportJWK, generateSecret, SignJWT, UnsecuredJWT } from "jose";
import { createKeyVerifier } from "../src/auth/auth.ts";
import { type KeySet, parseKeySet } from "../src/auth/key-set.ts";
import { FanwireError } from "../src/errors.ts";
import { keySetOf, SigningKey } from "./support/signing-key.ts";

const nowMs = 1_800_000_000_000;
const kinds = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA".split(" ");
const keys = new Map<string, SigningKey>();
for (const kind of kinds) keys.set(kind, await SigningKey.make(kind, kind));
const key = (kind: string) => keys.get(kind)!;

function verifierOf(set: KeySet) {
  const unknown = () => new FanwireError("unauthorized", "unknown key");
  const findKey = async (hint: { alg?: unknown; kid?: unknown }) => {
    const found = set.find(hint);
    if (found) return found;
    throw unknown();
  };
  return createKeyVerifier({ findKey, limits: { maxTokenBytes: 8192 } }, () => nowMs);
}

/** Who the token is of, or the message it is refused with. */
async function verdict(token: string, ...set: readonly (SigningKey | object)[]): Promise<string> {
  const verify = verifierOf(await parseKeySet(keySetOf(...set)));
  return verify(token).then(
    ({ userId }) => userId,
    (error) => {
      expect(error).toBeInstanceOf(FanwireError);
      expect(error.code).toBe("unauthorized");
      return error.message;
    },
  );
}

/** The public half without some of its fields. */
function without(signer: SigningKey, ...fields: readonly string[]): object {
  return Object.fromEntries(Object.entries(signer.jwk).filter(([name]) => !fields.includes(name)));
}

function reasonOf(text: string): Promise<string> {
  return parseKeySet(text).then(
    () => "",
    (error) => error.message,
  );
}

describe("a token", () => {
  test.each(kinds)(
    "of %s is accepted, out of a set with all kinds, and with its payload changed is not",
    async (kind) => {
      const token = await key(kind).sign({ sub: "ann" });
      expect(await verdict(token, ...keys.values())).toBe("ann");
      const [header, , signature] = token.split(".");
      const payload = Buffer.from(JSON.stringify({ sub: "bob" })).toString("base64url");
      expect(await verdict(`${header}.${payload}.${signature}`, ...keys.values())).toBe(
        "The token's signature is not ours.",
      );
    },
  );

  test("may call EdDSA by its newer name", async () => {
    const signer = key("EdDSA");
    const token = await signer.sign({ sub: "ann" }, { alg: "Ed25519" });
    expect(await verdict(token, signer)).toBe("ann");
    expect(await verdict(token, { ...signer.jwk, alg: "Ed25519" })).toBe("ann");
  });

  test("names its key, unless only one fits", async () => {
    const [signer, other] = [key("ES256"), await SigningKey.make("ES256", "other")];
    const nameless = await signer.sign({ sub: "ann" }, { kid: undefined });
    expect(await verdict(nameless, signer, key("RS256"))).toBe("ann");
    expect(await verdict(nameless, signer, other)).toContain("needs a `kid`");
    expect(await verdict(await signer.sign({ sub: "ann" }), signer, other)).toBe("ann");
    expect(await verdict(await signer.sign({ sub: "ann" }, { kid: 7 }), signer)).toBe("unknown key");
    expect(await verdict(await signer.sign({ sub: "ann" }), without(signer, "kid"))).toBe("unknown key");
  });

  test("is never verified by another algorithm than its key's, whatever either of them says", async () => {
    const rsa = key("RS256");
    const wrong = "The token is not signed with the algorithm of its key.";
    for (const alg of kinds.filter((kind) => kind !== "RS256")) {
      const forged = await key(alg).sign({ sub: "ann" }, { kid: "RS256" });
      expect([alg, await verdict(forged, rsa)]).toEqual([alg, wrong]);
    }
    // The same RSA key, imported for another algorithm by whoever signs.
    const pkcs8 = await crypto.subtle.exportKey("pkcs8", rsa.privateKey);
    const rsa512 = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-512" };
    const sameKey = await crypto.subtle.importKey("pkcs8", pkcs8, rsa512, false, ["sign"]);
    const token = await new SignJWT({ sub: "ann" })
      .setProtectedHeader({ alg: "RS512", kid: "RS256" })
      .sign(sameKey);
    expect(await verdict(token, rsa)).toBe(wrong);
    expect(await verdict(token, without(rsa, "alg"))).toBe(wrong);
    expect(await verdict(token, { ...rsa.jwk, alg: "RS512" })).toBe("ann");
  });

  test("of a key that names no algorithm is of the one that such keys have everywhere", async () => {
    for (const kind of ["RS256", "ES256", "ES384", "ES512", "EdDSA"]) {
      const signer = key(kind);
      const token = await signer.sign({ sub: "ann" });
      expect([kind, await verdict(token, without(signer, "alg", "use"))]).toEqual([kind, "ann"]);
    }
  });

  test("that is not signed, or with a secret, even one made of a public key, is refused", async () => {
    const signer = key("RS256");
    const refused = expect.stringContaining("is not signed with RS256, ");
    const [header, payload] = new UnsecuredJWT({ sub: "ann" }).encode().split(".");
    expect(await verdict(`${header}.${payload}.`, signer)).toEqual(refused);
    const secrets = [new Uint8Array(64).fill(7), new TextEncoder().encode(JSON.stringify(signer.jwk))];
    for (const secret of secrets) {
      for (const alg of ["HS256", "HS384", "HS512"]) {
        const header = { alg, kid: "RS256" };
        const forged = await new SignJWT({ sub: "ann" }).setProtectedHeader(header).sign(secret);
        expect(await verdict(forged, signer)).toEqual(refused);
      }
    }
  });
});

describe("a set", () => {
  const good = key("ES256");

  test("without a key that can be used is refused, with the reasons", async () => {
    const symmetric = {
      ...(await exportJWK(await generateSecret("HS256", { extractable: true }))),
      kid: "s",
    };
    const privateKey = { ...(await exportJWK(good.privateKey)), kid: "p" };
    const weak = { kty: "RSA", n: Buffer.alloc(128, 0xc5).toString("base64url"), e: "AQAB" };
    const { x } = good.jwk;
    const cases: [object, string][] = [
      [symmetric, '"s": a symmetric key has no place'],
      [{ ...symmetric, alg: "HS256" }, "a symmetric key"],
      [privateKey, '"p": a private key has no place'],
      [{ ...good.jwk, use: "enc" }, "not for signatures"],
      [{ ...good.jwk, key_ops: ["sign"] }, "not for verifying"],
      [{ ...good.jwk, key_ops: "verify" }, "not for verifying"],
      [{ ...good.jwk, alg: "ES384" }, "of a kind that is not used"],
      [{ ...good.jwk, alg: "HS256" }, "of a kind that is not used"],
      [{ ...good.jwk, alg: "none" }, "of a kind that is not used"],
      [{ ...good.jwk, alg: "constructor" }, "of a kind that is not used"],
      [{ kty: "EC", crv: "secp256k1", x, y: x }, "without kid: of a kind"],
      [{ kty: "OKP", crv: "X25519", x }, "of a kind"],
      [{ kty: "toString" }, "of a kind"],
      [weak, "RSA of 1024 bits, less than 2048"],
    ];
    for (const [jwk, reason] of cases) expect(await reasonOf(keySetOf(jwk))).toContain(reason);
    for (const broken of [{ kty: "RSA", e: "AQAB" }, { kty: "EC", crv: "P-256", x: 5, y: {} }, {}]) {
      expect(await reasonOf(keySetOf(broken))).toStartWith("has no key that can be used; without kid: ");
    }
    expect(await reasonOf(keySetOf())).toBe("has no key that can be used");
  });

  test("with some that cannot be used goes on without them, and says so", async () => {
    const set = await parseKeySet(keySetOf({ kty: "oct", k: "AAAA", kid: "s" }, good, { kty: "EC" }));
    expect(set.kids).toEqual(["ES256"]);
    expect(set.ignored).toHaveLength(2);
    expect(set.ignored[0]).not.toContain("AAAA");
  });

  test("may have fields that we know nothing of", async () => {
    const extended = { ...good.jwk, x5c: ["AAAA"], x5t: "AAAA", ext: true, key_ops: ["verify"], more: {} };
    expect(await verdict(await good.sign({ sub: "ann" }), extended)).toBe("ann");
  });

  test("that is none, or has too many keys, is refused", async () => {
    expect(await reasonOf("<html>")).toBe("is not JSON");
    expect(await reasonOf("")).toBe("is not JSON");
    for (const text of ["null", "[]", "7", "{}", '{"keys":{}}', '{"keys":[null]}', '{"keys":["a"]}']) {
      expect([text, await reasonOf(text)]).toEqual([text, "is not a JSON Web Key Set"]);
    }
    expect(await reasonOf(keySetOf(...Array(101).fill(good)))).toBe("has 101 keys, more than 100");
  });
});

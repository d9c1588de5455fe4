// Tokens: what a good one says, and every way in which one is refused. All of them are made with jose.

import { describe, expect, test } from "bun:test";
import { exportSPKI, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import { createGuest, createVerifier, type VerifierOptions } from "../src/auth/auth.ts";
import { FanwireError } from "../src/errors.ts";

const secret = "a secret of more than thirty-two bytes";
const nowMs = 1_800_000_000_000;
const nowSeconds = nowMs / 1000;
const options: VerifierOptions = { jwtSecret: secret, limits: { maxTokenBytes: 8192 } };
const verify = createVerifier(options, () => nowMs);

function sign(payload: JWTPayload, key: string | CryptoKey | Uint8Array = secret, alg = "HS256") {
  const bytes = typeof key === "string" ? new TextEncoder().encode(key) : key;
  return new SignJWT(payload).setProtectedHeader({ alg }).sign(bytes);
}

/** The message a token is refused with. */
async function refusal(token: string, verifier = verify): Promise<string> {
  const error = await verifier(token).then(
    () => undefined,
    (reason) => reason,
  );
  expect(error).toBeInstanceOf(FanwireError);
  expect(error.code).toBe("unauthorized");
  return error.message;
}

describe("a good token", () => {
  test("says who, until when, what is granted, and what others may know", async () => {
    const fanwire = { subscribe: ["room:*"], publish: ["room:7"], info: { name: "Ann" } };
    expect(await verify(await sign({ sub: "ann", exp: nowSeconds + 60, fanwire }))).toEqual({
      userId: "ann",
      expiresAt: nowMs + 60_000,
      ...fanwire,
    });
  });

  test("without a fanwire claim grants nothing, and without exp never expires", async () => {
    expect(await verify(await sign({ sub: "ann" }))).toEqual({ userId: "ann", subscribe: [], publish: [] });
  });

  test("may expire further away than a date can be", async () => {
    const { expiresAt } = await verify(await sign({ sub: "ann", exp: 1e300 }));
    expect(new Date(expiresAt ?? Number.NaN).getTime()).toBe(8_640_000_000_000_000);
  });

  test("may have a subject of 128 bytes", async () => {
    const sub = "é".repeat(64);
    expect((await verify(await sign({ sub }))).userId).toBe(sub);
  });

  test("may be off by our clock's tolerance", async () => {
    expect(await verify(await sign({ sub: "ann", exp: nowSeconds - 4 }))).toMatchObject({ userId: "ann" });
    expect(await verify(await sign({ sub: "ann", nbf: nowSeconds + 4 }))).toMatchObject({ userId: "ann" });
  });

  test("is for our issuer and audience where those are set", async () => {
    const strict = createVerifier({ ...options, jwtIssuer: "us", jwtAudience: "fanwire" }, () => nowMs);
    const token = await sign({ sub: "ann", iss: "us", aud: ["other", "fanwire"] });
    expect(await strict(token)).toMatchObject({ userId: "ann" });
    expect(await refusal(await sign({ sub: "ann", iss: "them", aud: "fanwire" }), strict)).toContain("`iss`");
    expect(await refusal(await sign({ sub: "ann", iss: "us", aud: "other" }), strict)).toContain("`aud`");
    expect(await refusal(await sign({ sub: "ann", aud: "fanwire" }), strict)).toContain("`iss`");
    expect(await refusal(await sign({ sub: "ann", iss: "us" }), strict)).toContain("`aud`");
  });
});

describe("a token is refused", () => {
  test("when it is not signed at all", async () => {
    const token = new UnsecuredJWT({ sub: "ann" }).encode();
    expect(await refusal(token)).toBe("The token is not signed with HS256.");
    const [header, payload] = token.split(".");
    expect(await refusal(`${header}.${payload}.c2ln`)).toBe("The token is not signed with HS256.");
  });

  test("when it is signed with RS256", async () => {
    const { privateKey } = await generateKeyPair("RS256");
    expect(await refusal(await sign({ sub: "ann" }, privateKey, "RS256"))).toContain("HS256");
  });

  test("when our secret is a public key and the token is signed with its private one", async () => {
    const { publicKey, privateKey } = await generateKeyPair("RS256", { extractable: true });
    const confused = createVerifier({ ...options, jwtSecret: await exportSPKI(publicKey) }, () => nowMs);
    expect(await refusal(await sign({ sub: "ann" }, privateKey, "RS256"), confused)).toContain("HS256");
  });

  test("when it is signed with another HMAC, even with our secret", async () => {
    const long = secret.repeat(2);
    const verifier = createVerifier({ ...options, jwtSecret: long }, () => nowMs);
    expect(await refusal(await sign({ sub: "ann" }, long, "HS384"), verifier)).toContain("HS256");
    expect(await refusal(await sign({ sub: "ann" }, long, "HS512"), verifier)).toContain("HS256");
  });

  test("when it is signed with another secret", async () => {
    expect(await refusal(await sign({ sub: "ann" }, `${secret}!`))).toBe(
      "The token's signature is not ours.",
    );
  });

  test("when its payload was changed", async () => {
    const [header, , signature] = (await sign({ sub: "ann" })).split(".");
    const payload = Buffer.from(JSON.stringify({ sub: "bob" })).toString("base64url");
    expect(await refusal(`${header}.${payload}.${signature}`)).toBe("The token's signature is not ours.");
  });

  test("when it has expired", async () => {
    expect(await refusal(await sign({ sub: "ann", exp: nowSeconds - 6 }))).toBe("The token has expired.");
  });

  test("when it is not valid yet", async () => {
    expect(await refusal(await sign({ sub: "ann", nbf: nowSeconds + 6 }))).toBe(
      "The token is not valid yet.",
    );
  });

  test("when it is no token", async () => {
    for (const token of ["", "a", "a.b", "a.b.c", "a.b.c.d.e", "\ud800.\u0000.é", "..", "null"]) {
      expect(await refusal(token)).toBe("The token is malformed.");
    }
  });

  test("when it is longer than the limit, before anything is verified", async () => {
    const verifier = createVerifier({ ...options, limits: { maxTokenBytes: 200 } }, () => nowMs);
    const token = await sign({ sub: "ann", padding: "x".repeat(200) });
    expect(await refusal(token, verifier)).toBe("The token is longer than 200 bytes.");
    expect(await verify(token)).toMatchObject({ userId: "ann" });
  });

  test.each<[unknown, string]>([
    [undefined, "`sub` is missing"],
    ["", "`sub` is missing"],
    [7, "`sub`"],
    ["x".repeat(129), "longer than 128 bytes"],
    ["a\u0000b", "control characters"],
    ["a b", "spaces"],
    ["*", "spaces or *"],
    ["\ud800", "control characters"],
  ])("when its sub is %j", async (sub, words) => {
    expect(await refusal(await sign({ sub } as JWTPayload))).toContain(words);
  });

  test.each<[unknown, string]>([
    [null, "`fanwire` must be an object"],
    [[], "`fanwire` must be an object"],
    ["room:*", "`fanwire` must be an object"],
    [{ subscirbe: ["room:*"] }, "nothing but"],
    [{ subscribe: "room:*" }, "`fanwire.subscribe` must be a list"],
    [{ publish: { 0: "room:*" } }, "`fanwire.publish` must be a list"],
    [{ publish: null }, "`fanwire.publish` must be a list"],
    [{ publish: [7] }, "`fanwire.publish` has an entry"],
    [{ subscribe: [""] }, "`fanwire.subscribe` has an entry"],
    [{ subscribe: ["*:7"] }, "`fanwire.subscribe` has an entry"],
    [{ subscribe: ["x".repeat(256)] }, "`fanwire.subscribe` has an entry"],
    [{ subscribe: Array(1001).fill("a:b") }, "at most 1000"],
    [{ info: [] }, "`fanwire.info` must be an object"],
    [{ info: "Ann" }, "`fanwire.info` must be an object"],
  ])("when its fanwire claim is malformed (%#)", async (fanwire, words) => {
    expect(await refusal(await sign({ sub: "ann", fanwire }))).toContain(words);
  });

  test("without a word of its content", async () => {
    const marked = { sub: "canary canary", fanwire: { subscribe: ["canary*canary"] }, iss: "canary" };
    const token = await sign(marked);
    const strict = createVerifier({ ...options, jwtIssuer: "us" }, () => nowMs);
    for (const message of [await refusal(token), await refusal(token, strict), await refusal(`${token}x`)]) {
      expect(message).not.toContain("canary");
      expect(message).not.toContain(token.slice(0, 12));
    }
  });
});

test("guests differ from each other and may do everything", () => {
  const [one, other] = [createGuest(), createGuest()];
  expect(one.userId).toStartWith("guest-");
  expect(one.userId).not.toBe(other.userId);
  expect(one).toMatchObject({ subscribe: ["*"], publish: ["*"] });
});

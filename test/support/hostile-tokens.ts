// Tokens that must not let anybody in, a few that must, and the places a token can stand in. Made with jose, which is also
// what verifies them; what is wrong with each comes from the documentation. Knows nothing of the server.

import { generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from "jose";
import type { Random } from "./random.ts";
import { everything, secondsFromNow, secret, tokenFor } from "./token.ts";
import type { ConnectOptions } from "./websocket.ts";

export interface TokenCase {
  readonly what: string;
  readonly options: ConnectOptions;
  readonly isLetIn: boolean;
  /** What must not be repeated in any log. */
  readonly tokens: readonly string[];
}

type Place = (token: string, port: number) => ConnectOptions;

const path = "/ws";
const sameOrigin = (port: number) => ["Origin", `http://127.0.0.1:${port}`] as const;

/** The four places, and two that do not count. */
const places: Readonly<Record<string, Place>> = {
  Authorization: (token) => ({ path, headers: [["Authorization", `Bearer ${token}`]] }),
  subprotocol: (token) => ({ path, protocols: ["fanwire.v1.json", `bearer.${token}`] }),
  query: (token) => ({ path: `${path}?token=${encodeURIComponent(token)}` }),
  cookie: (token, port) => ({ path, headers: [["Cookie", `a=b; token=${token}`], sameOrigin(port)] }),
  "cookie without Origin": (token) => ({ path, headers: [["Cookie", `token=${token}`]] }),
  "another scheme": (token) => ({ path, headers: [["Authorization", `Basic ${token}`]] }),
};
const places4 = Object.keys(places).slice(0, 4);

export interface TokenStock {
  readonly good: readonly string[];
  readonly bad: readonly (readonly [what: string, token: string])[];
}

export async function makeTokens(): Promise<TokenStock> {
  const claims = { sub: "mallory", fanwire: everything };
  const sign = (payload: JWTPayload, key: CryptoKey | Uint8Array, alg: string, header: object = {}) =>
    new SignJWT(payload).setProtectedHeader({ alg, ...header }).sign(key);
  const ours = new TextEncoder().encode(secret);
  const [header, payload, signature] = tokenFor("mallory").split(".") as [string, string, string];
  const unsigned = new UnsecuredJWT(claims).encode();
  const asymmetric = await Promise.all(
    ["RS256", "PS256", "ES256", "EdDSA"].map(async (alg) => {
      const { privateKey } = await generateKeyPair(alg);
      return [alg, await sign(claims, privateKey, alg, { kid: "../../etc/passwd" })] as const;
    }),
  );
  const none = (alg: string) => Buffer.from(JSON.stringify({ alg })).toString("base64url");
  const long = "x".repeat(200);
  return {
    good: [
      tokenFor("ann"),
      tokenFor("ann", { exp: secondsFromNow(60) }),
      await sign({ sub: "bob" }, ours, "HS256"),
    ],
    bad: [
      ["empty", ""],
      ["garbage", "garbage"],
      ["dots", "..."],
      ["alg none", unsigned],
      ["alg none with a signature", unsigned + signature],
      ...["none", "NONE", "nOnE", "", "HS256 "].map(
        (alg) => [`alg ${alg}`, `${none(alg)}.${payload}.${signature}`] as const,
      ),
      ...asymmetric,
      ["HS384", await sign(claims, ours, "HS384")],
      ["HS512", await sign(claims, ours, "HS512")],
      ["another secret", tokenFor("mallory", {}, `${secret}!`)],
      ["an empty secret", tokenFor("mallory", {}, "")],
      ["no signature", `${header}.${payload}.`],
      ["another payload", `${header}.${Buffer.from('{"sub":"root"}').toString("base64url")}.${signature}`],
      ["expired", tokenFor("mallory", { exp: secondsFromNow(-60) })],
      ["expired long ago", tokenFor("mallory", { exp: 1 })],
      ["exp that is no number", tokenFor("mallory", { exp: "tomorrow" })],
      ["not valid yet", tokenFor("mallory", { nbf: secondsFromNow(3600) })],
      ["no sub", await sign({}, ours, "HS256")],
      ["an empty sub", tokenFor("")],
      ["a sub that is no text", tokenFor("mallory", { sub: 7 })],
      ["a sub with a space", tokenFor("mallory everywhere")],
      ["a sub with a star", tokenFor("*")],
      ["a long sub", tokenFor(long)],
      ["grants that are none", tokenFor("mallory", { fanwire: { subscribe: "*" } })],
      ["unknown claims", tokenFor("mallory", { fanwire: { admin: true } })],
      [
        "a crit header",
        await sign(claims, ours, "HS256", { crit: ["x"], x: 1 }).catch(() => `${header}.x.${signature}`),
      ],
      ["long garbage", random64(3000)],
      ["a long payload", `${header}.${random64(1500)}.${signature}`],
    ],
  };
}

function random64(length: number): string {
  return "Zm9v".repeat(length / 4);
}

export function tokenCase(random: Random, { good, bad }: TokenStock, port: number): TokenCase {
  if (random.below(8) === 0) return severalPlaces(random, random.pick(good), random.pick(bad)[1], port);
  const place = random.pick(Object.keys(places));
  const isGood = random.below(4) === 0;
  const [what, token] = isGood ? (["a good token", random.pick(good)] as const) : badToken(random, good, bad);
  return {
    what: `${what} in ${place}`,
    options: places[place]!(token, port),
    isLetIn: isGood && places4.includes(place),
    tokens: [token],
  };
}

function badToken(
  random: Random,
  good: TokenStock["good"],
  bad: TokenStock["bad"],
): readonly [string, string] {
  if (random.below(2) === 0) return random.pick(bad);
  const token = [...random.pick(good)];
  // Not the last one: some of its bits belong to no byte of the signature.
  const at = random.below(token.length - 1);
  const others = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_"].filter(
    (letter) => letter !== token[at],
  );
  token[at] = random.pick(others);
  return ["a token with one character changed", token.join("")];
}

/** The first token found counts, whatever the ones behind it are worth. */
function severalPlaces(random: Random, good: string, bad: string, port: number): TokenCase {
  const from = random.below(places4.length - 1);
  const [first, second] = [places4[from]!, random.pick(places4.slice(from + 1))];
  const isLetIn = random.below(2) === 0;
  const [one, other] = isLetIn ? [good, bad] : [bad || "x", good];
  const [front, behind] = [places[first]!(one, port), places[second]!(other, port)];
  const protocols = front.protocols ?? behind.protocols;
  return {
    what: `a ${isLetIn ? "good" : "bad"} token in ${first}, the opposite in ${second}`,
    options: {
      path: behind.path === path ? front.path! : behind.path!,
      headers: [...(front.headers ?? []), ...(behind.headers ?? [])],
      ...(protocols && { protocols }),
    },
    isLetIn,
    tokens: [one, other],
  };
}

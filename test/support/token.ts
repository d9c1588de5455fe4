// Tokens as an application's back end signs them (HS256), without the library that verifies them.

import { createHmac } from "node:crypto";

export const secret = "a secret of more than thirty-two bytes, for tests";

/** What a token may do: everything, unless a test says otherwise. */
export const everything = { subscribe: ["*"], publish: ["*"] };

/** A token for a user. `claims` are added: `exp` in Unix seconds, or another `fanwire`. */
export function tokenFor(userId: string, claims: object = {}, key = secret): string {
  const header = encode({ alg: "HS256", typ: "JWT" });
  const payload = encode({ sub: userId, fanwire: everything, ...claims });
  const signature = createHmac("sha256", key).update(`${header}.${payload}`).digest("base64url");
  return `${header}.${payload}.${signature}`;
}

/** A moment from now as `exp` wants it. */
export function secondsFromNow(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

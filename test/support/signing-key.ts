// Key pairs of whoever signs tokens, made with jose: the public half as it stands in a key set, and tokens by the private one.

import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { everything } from "./token.ts";

export class SigningKey {
  /** The public half, with `kid` and `alg`. */
  readonly jwk: JWK;
  readonly privateKey: CryptoKey;
  readonly #alg: string;

  private constructor(alg: string, jwk: JWK, privateKey: CryptoKey) {
    this.#alg = alg;
    this.jwk = jwk;
    this.privateKey = privateKey;
  }

  static async make(alg: string, kid: string): Promise<SigningKey> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    return new SigningKey(alg, { ...(await exportJWK(publicKey)), kid, alg, use: "sig" }, privateKey);
  }

  /** A token of this key; `header` replaces what it says of itself. */
  sign(payload: JWTPayload, header: object = {}): Promise<string> {
    const said = { alg: this.#alg, kid: this.jwk.kid, ...header } as { alg: string };
    return new SignJWT(payload).setProtectedHeader(said).sign(this.privateKey);
  }

  /** A token of a user who may do everything. */
  tokenFor(userId: string): Promise<string> {
    return this.sign({ sub: userId, fanwire: everything });
  }
}

/** A key set as its text. */
export function keySetOf(...keys: readonly (SigningKey | object)[]): string {
  return JSON.stringify({ keys: keys.map((key) => (key instanceof SigningKey ? key.jwk : key)) });
}

// Options of how tokens are verified: what excludes what, and what ends development mode.

import { expect, test } from "bun:test";
import {
  ConfigError,
  developmentMode,
  type InputOptions,
  loadOptions,
  resolveOptions,
} from "../src/config/config.ts";

const secret = "a secret of more than thirty-two bytes";
const noFile = (path: string): string => {
  throw new Error(`${path} must not be read`);
};

function refusal(load: () => unknown): string {
  try {
    load();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  throw new Error("was accepted");
}

test("a key set, by URL or by file, ends development mode, and a key set's URL is kept in one form", () => {
  const byUrl = loadOptions({ FANWIRE_JWKS_URL: "HTTPS://Example.com/keys", FANWIRE_HOST: "::" }, noFile);
  expect([byUrl.jwksUrl, developmentMode(byUrl)]).toEqual(["https://example.com/keys", false]);
  const byFile = resolveOptions({ jwksFile: "/keys", jwtIssuer: "us", host: "0.0.0.0" });
  expect([byFile.jwksFile, byFile.jwtIssuer, developmentMode(byFile)]).toEqual(["/keys", "us", false]);
});

test.each<[Record<string, string>, string]>([
  [{ FANWIRE_JWKS_URL: "" }, 'FANWIRE_JWKS_URL is "": must be an http or https URL without credentials'],
  [{ FANWIRE_JWKS_URL: "file:///etc/keys" }, 'FANWIRE_JWKS_URL is "file:///etc/keys": must be an http or'],
  [{ FANWIRE_JWKS_URL: "https://" }, 'FANWIRE_JWKS_URL is "https://": must be an http or https URL'],
  [{ FANWIRE_JWKS_URL: "http://a/#b" }, 'FANWIRE_JWKS_URL is "http://a/#b": must be an http or https URL'],
  [
    { FANWIRE_JWKS_URL: "http://a:hunter2@b/" },
    'FANWIRE_JWKS_URL is "http://…@b/": must be an http or https',
  ],
  [{ FANWIRE_JWKS_FILE: "" }, 'FANWIRE_JWKS_FILE is "": must be a path'],
  [
    { FANWIRE_JWKS_URL: "http://a/", FANWIRE_JWT_SECRET: secret },
    "FANWIRE_JWKS_URL is set: must be absent where FANWIRE_JWT_SECRET (jwtSecret) is set",
  ],
  [
    { FANWIRE_JWKS_FILE: "/a", FANWIRE_JWT_SECRET: secret },
    "FANWIRE_JWKS_FILE is set: must be absent where FANWIRE_JWT_SECRET (jwtSecret) is set",
  ],
  [
    { FANWIRE_JWKS_FILE: "/a", FANWIRE_JWKS_URL: "http://a/" },
    "FANWIRE_JWKS_FILE is set: must be absent where FANWIRE_JWKS_URL (jwksUrl) is set",
  ],
])("%j is refused", (env, line) => {
  expect(refusal(() => loadOptions(env, noFile))).toStartWith(line);
});

test.each<[InputOptions, string]>([
  [
    { limits: { jwksTimeoutMs: 5000 } },
    "limits.jwksTimeoutMs is 5000: must be less than authTimeoutMs, which is 5000",
  ],
  [
    { limits: { jwksRefreshMs: 9999 } },
    "limits.jwksCooldownMs is 10000: must be at most jwksRefreshMs, which is 9999",
  ],
])("%j contradicts itself", (input, line) => {
  expect(refusal(() => resolveOptions(input))).toStartWith(line);
});

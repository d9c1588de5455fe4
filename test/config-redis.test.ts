// Options of Redis: where it may be, what else is said of it, and that no refusal shows a password.

import { describe, expect, test } from "bun:test";
import { ConfigError, loadOptions, resolveOptions } from "../src/config/config.ts";
import { shownRedisUrl } from "../src/config/redis.ts";

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}

const noFile = (): string => {
  throw new Error("no file is read here");
};

/** Loads with a config file that has this text. */
const withFile = (text: string, env: Record<string, string> = {}) =>
  loadOptions({ FANWIRE_CONFIG: "/etc/fanwire.json", ...env }, () => text);

test("without Redis there is one node; with it, a prefix and publications that wait while it is away", () => {
  expect(resolveOptions({}).redis).toBeUndefined();
  expect(resolveOptions({ redis: { urls: ["/run/redis.sock"] } }).redis).toEqual({
    urls: ["/run/redis.sock"],
    prefix: "fanwire:",
    queueWhileAway: true,
  });
});

test("a variable wins over its own part of the file's group and leaves the rest of it", () => {
  const file = JSON.stringify({ redis: { urls: ["redis://file"], prefix: "ours:", queueWhileAway: false } });
  expect(withFile(file).redis).toEqual({ urls: ["redis://file"], prefix: "ours:", queueWhileAway: false });
  const env = { FANWIRE_REDIS_URL: "redis://one  rediss://me:pass@two:7000/0" };
  const urls = ["redis://one", "rediss://me:pass@two:7000"];
  expect(withFile(file, env).redis).toEqual({ urls, prefix: "ours:", queueWhileAway: false });
  expect(withFile('{"port": 1}', { ...env, FANWIRE_REDIS_PREFIX: "mine:" }).redis).toMatchObject({
    urls,
    prefix: "mine:",
  });
});

const inFile = "in /etc/fanwire.json";
const bound = "must be a list of 1 to 16 different `redis://` or `rediss://` URLs, or paths of Unix sockets";

describe("refusals are one line that names the option, its value and its bound", () => {
  test.each<[string, string]>([
    ["", "a list of 0"],
    ["localhost:6379", '"localhost:6379"'],
    ["redis://a b", '"b"'],
    ["redis://a http://b", '"http://b"'],
    ["redis://a redis://a/0", "a list of 2"],
    [Array.from({ length: 17 }, (_, index) => `redis://a:${index + 1}`).join(" "), "a list of 17"],
    ["redis://a/1", '"redis://a/1"'],
    ["redis://a:66666", '"redis://a:66666"'],
    ["redis://me:hidden@a/1", '"…@a/1"'],
    ["/", '"/"'],
  ])("%s", (value, shown) => {
    const message = refusal(() => loadOptions({ FANWIRE_REDIS_URL: value }, noFile));
    expect(message).toStartWith(`FANWIRE_REDIS_URL is ${shown}: ${bound}`);
  });

  test.each<[string, string]>([
    ['{"redis": 5}', `redis ${inFile} is 5: must be an object`],
    ['{"redis": {"url": "redis://a"}}', `redis.url ${inFile} is not an option of fanwire`],
    ['{"redis": {"urls": "redis://a"}}', `redis.urls ${inFile} is "redis://a": ${bound}`],
    ['{"redis": {"urls": [5]}}', `redis.urls.0 ${inFile} is a number: ${bound}`],
    ['{"redis": {}}', `redis.urls ${inFile} is missing: must be there where anything is said of Redis`],
    [
      '{"redis": {"urls": ["redis://a"], "queueWhileAway": 1}}',
      `redis.queueWhileAway ${inFile} is 1: must be true or false`,
    ],
  ])("%s", (text, line) => {
    expect(refusal(() => withFile(text))).toStartWith(line);
  });

  test("a prefix of other letters, one without Redis, and a file's group that is none", () => {
    const env = { FANWIRE_REDIS_URL: "redis://one" };
    expect(refusal(() => loadOptions({ ...env, FANWIRE_REDIS_PREFIX: "a b" }, noFile))).toBe(
      'FANWIRE_REDIS_PREFIX is "a b": must be 1 to 64 letters, digits, `:`, `.`, `_` or `-`',
    );
    expect(refusal(() => loadOptions({ FANWIRE_REDIS_PREFIX: "a:" }, noFile))).toBe(
      "redis.urls is missing: must be there where anything is said of Redis",
    );
    expect(refusal(() => withFile('{"redis": [5]}', env))).toBe(`redis ${inFile} is [5]: must be an object`);
  });
});

test("a lease has time for two slow answers", () => {
  const { limits } = resolveOptions({ limits: { redisTimeoutMs: 7500 } });
  expect(limits.leaseMs).toBe(15_000);
  expect(refusal(() => resolveOptions({ limits: { redisTimeoutMs: 7501 } }))).toBe(
    "limits.leaseMs is 15000: must be at least 15002 (2 redisTimeoutMs)",
  );
});

describe("a password is never shown", () => {
  const hidden = "hunter2";
  test.each([
    `redis://me:${hidden}@host/1`,
    `redis://me:${hidden}@host x`,
    `redis://me:a/${hidden}@host`,
    `redis://me:a@${hidden}?@host`,
    `redis:/me:${hidden}@host`,
    `redis://:${hidden}`,
    `redis://host?password=${hidden}`,
    `me:${hidden}`,
    `redis://me:${hidden}@host redis://me:${hidden}@host`,
  ])("in the refusal of %s", (urls) => {
    const list = JSON.stringify({ redis: { urls: urls.split(" ") } });
    expect(refusal(() => loadOptions({ FANWIRE_REDIS_URL: urls }, noFile))).not.toContain(hidden);
    expect(refusal(() => withFile(list))).not.toContain(hidden);
    expect(refusal(() => withFile(`{"redis": {"urls": ${JSON.stringify(urls)}}}`))).not.toContain(hidden);
  });

  test("of an address that is told in a log", () => {
    for (const address of [`redis://me:${hidden}@host:7000`, `rediss://:${hidden}%40@host:7000`]) {
      const { urls } = resolveOptions({ redis: { urls: [address] } }).redis!;
      expect(urls.map(shownRedisUrl)).toEqual([`${address.split(":")[0]}://host:7000`]);
    }
    expect(shownRedisUrl("/run/redis.sock")).toBe("/run/redis.sock");
  });
});

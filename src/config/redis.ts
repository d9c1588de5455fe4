// Where the Redis between nodes is, as far as options say: which addresses there are, and that settings without any are a mistake.

import { ConfigError, type InputOptions, type Locate, type RedisOptions } from "./options.ts";

export const defaultRedisPrefix = "fanwire:";

/**
 * An address in one form; undefined where it is none. Refuses databases other than 0: channels belong to none of them, so that two
 * would hear each other; what keeps deployments apart is the prefix.
 */
export function normalRedisUrl(value: string): string | undefined {
  if (value.length > 2048 || /[\s\0]/.test(value)) return undefined;
  if (value.startsWith("/")) return value.length > 1 ? value : undefined;
  if (!/^rediss?:\/\//i.test(value) || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  const isPlain = /^\/?0?$/.test(url.pathname) && url.search === "" && url.hash === "" && url.hostname !== "";
  if (!isPlain) return undefined;
  url.pathname = "";
  return url.href;
}

/** An address as it may be shown: without user and password. */
export function shownRedisUrl(address: string): string {
  return address.replace(/\/\/[^/]*@/, "//");
}

export function resolveRedis(input: NonNullable<InputOptions["redis"]>, locate: Locate): RedisOptions {
  const { urls, prefix = defaultRedisPrefix, queueWhileAway = true } = input;
  if (urls !== undefined) return { urls, prefix, queueWhileAway };
  throw new ConfigError(
    `${locate(["redis", "urls"])} is missing: must be there where anything is said of Redis`,
  );
}

// The built-in namespaces, what becomes of a declared one, and which one a topic is in; knows nothing of where options come from.

import type { HistoryRule } from "../bridge/bridge.ts";
import { FanwireError } from "../errors.ts";
import { namespaceOf } from "../wire/topic-name.ts";
import type { Limits } from "./limits.ts";
import {
  ConfigError,
  type JoinLeaveRule,
  type Locate,
  type NamespaceInput,
  type NamespaceOptions,
} from "./options.ts";

const builtInNamespaces: Readonly<Record<string, NamespaceInput>> = {
  room: { mode: "stream", presence: true },
  game: { mode: "volatile", presence: true },
  ticker: { mode: "latest" },
  // Joined by the server for each connection of that user, so nobody needs to ask.
  user: { mode: "stream", subscribe: "none" },
  broadcast: { mode: "stream" },
};
export const defaultHistory: HistoryRule = { size: 1000, ttlMs: 600_000, maxBytes: 16 * 1024 * 1024 };
export const defaultMaxPublishBytes = 65_536;
export const defaultMaxKeys = 10_000;
export const defaultJoinLeave: JoinLeaveRule = { maxMembers: 100 };

/** Built-in and declared namespaces, complete. Where a built-in one is declared, the declaration's options win. */
export function resolveNamespaces(
  given: Readonly<Record<string, NamespaceInput>>,
  limits: Limits,
  locate: Locate,
): ReadonlyMap<string, NamespaceOptions> {
  const inputs = new Map(Object.entries(builtInNamespaces));
  for (const [name, input] of Object.entries(given)) inputs.set(name, { ...inputs.get(name), ...input });
  const namespaces = new Map<string, NamespaceOptions>();
  for (const [name, input] of inputs) {
    const at = (option: string) => locate(["namespaces", name, option]);
    namespaces.set(name, resolveNamespace(input, limits, at));
  }
  return namespaces;
}

function resolveNamespace(
  input: NamespaceInput,
  limits: Limits,
  at: (option: string) => string,
): NamespaceOptions {
  const { mode, history, maxKeys, joinLeave, presence = false } = input;
  const maxPublishBytes = input.maxPublishBytes ?? Math.min(defaultMaxPublishBytes, limits.maxFrameBytes);
  if (mode === undefined) {
    throw new ConfigError(`${at("mode")} is missing: must be one of volatile, stream, latest`);
  }
  const absent = (option: string, value: unknown, because = `mode is ${mode}`) => {
    if (value === undefined) return;
    throw new ConfigError(`${at(option)} is ${JSON.stringify(value)}: must be absent, as ${because}`);
  };
  if (mode !== "stream") absent("history", history);
  if (mode !== "latest") absent("maxKeys", maxKeys);
  if (!presence) absent("joinLeave", joinLeave, "presence is false");
  if (maxPublishBytes > limits.maxFrameBytes) {
    const bound = `at most limits.maxFrameBytes, which is ${limits.maxFrameBytes}`;
    throw new ConfigError(`${at("maxPublishBytes")} is ${maxPublishBytes}: must be ${bound}`);
  }
  const rules = {
    subscribe: input.subscribe ?? "grant",
    publish: input.publish ?? "grant",
    binary: input.binary ?? false,
    maxPublishBytes,
    ...(input.publishesPerSecond !== undefined && { publishesPerSecond: input.publishesPerSecond }),
    flushWindowMs: input.flushWindowMs ?? 0,
    presence,
    ...(joinLeave && { joinLeave: { maxMembers: joinLeave.maxMembers ?? defaultJoinLeave.maxMembers } }),
  };
  if (mode === "volatile") return { mode, ...rules };
  if (mode === "latest") return { mode, maxKeys: maxKeys ?? defaultMaxKeys, ...rules };
  const { size, ttlMs, maxBytes } = defaultHistory;
  const kept = {
    size: history?.size ?? size,
    ttlMs: history?.ttlMs ?? ttlMs,
    maxBytes: history?.maxBytes ?? maxBytes,
  };
  return { mode, history: kept, ...rules };
}

/** The namespace that a topic belongs to. Throws FanwireError `unknown-namespace`. */
export function namespaceAmong(
  namespaces: ReadonlyMap<string, NamespaceOptions>,
  topic: string,
): NamespaceOptions {
  const namespace = namespaces.get(namespaceOf(topic));
  if (namespace) return namespace;
  throw new FanwireError("unknown-namespace", `There is no namespace ${namespaceOf(topic)}.`);
}

/** Looks at the names themselves, because a record's schema passes over the name `__proto__`. */
export function checkNamespaceNames(given: { namespaces?: unknown }, locate: Locate): void {
  for (const name of Object.keys(given.namespaces ?? {})) {
    if (/^[a-z0-9-]{1,64}$/.test(name)) continue;
    const at = locate(["namespaces"]);
    throw new ConfigError(`${at} has ${JSON.stringify(name)}: must be a name of 1 to 64 of a-z, 0-9 and -`);
  }
}

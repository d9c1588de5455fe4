// FANWIRE_* variables: from words to options, and whose name an option was given by; knows nothing of what the options are.

import { ConfigError } from "./options.ts";
import type { OptionRule } from "./rules.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

interface Given {
  readonly variable: string;
  readonly path: readonly string[];
  readonly value: unknown;
}

export interface Variables {
  /** The options of a file, with those of variables in their places. */
  over(file: object): object;
  /** The variable that an option, or what it is a part of, was given by. */
  nameOf(at: readonly PropertyKey[]): string | undefined;
}

/** @throws ConfigError for a variable that there is not. */
export function readVariables(
  env: Environment,
  rules: readonly (readonly [path: string, rule: OptionRule])[],
): Variables {
  const given: Given[] = [];
  const known = new Set(["FANWIRE_CONFIG"]);
  for (const [path, { variable, read }] of rules) {
    if (variable === undefined) continue;
    known.add(variable);
    const value = env[variable];
    if (value !== undefined)
      given.push({ variable, path: path.split("."), value: read ? read(value) : value });
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith("FANWIRE_") || known.has(name) || env[name] === undefined) continue;
    throw new ConfigError(`${name} is not a variable of fanwire; there are ${[...known].sort().join(", ")}`);
  }
  return {
    over: (file) => given.reduce((options, { path, value }) => placed(options, path, value), file),
    nameOf: (at) => given.find(({ path }) => path.every((name, index) => name === at[index]))?.variable,
  };
}

/** A copy with the value at the path. What stands in its way and is no object stays, and is refused later. */
function placed(options: object, [name = "", ...rest]: readonly string[], value: unknown): object {
  if (rest.length === 0) return { ...options, [name]: value };
  const inner = (options as Record<string, unknown>)[name] ?? {};
  const isObject = typeof inner === "object" && !Array.isArray(inner);
  return isObject ? { ...options, [name]: placed(inner, rest, value) } : options;
}

// Options from what is given: read from variables and a file, completed, and checked against each other; knows nothing of what
// uses them.

import { randomBytes } from "node:crypto";
import { checkAuthentication, developmentMode } from "./authentication.ts";
import { parseFile } from "./file.ts";
import { contradiction, type LimitName, type Limits, limitRules } from "./limits.ts";
import { checkListeners } from "./listeners.ts";
import { checkNamespaceNames, resolveNamespaces } from "./namespaces.ts";
import { ConfigError, type InputOptions, type Locate, type OptionRow, type Options } from "./options.ts";
import { resolveRedis } from "./redis.ts";
import { defaults, rules, validate } from "./rules.ts";
import { shown } from "./shown.ts";
import { type Environment, readVariables } from "./variables.ts";

export { developmentMode } from "./authentication.ts";
export type { Limits } from "./limits.ts";
export { ConfigError, type InputOptions, type NamespaceOptions, type Options } from "./options.ts";

const dotted: Locate = (path) => path.map(String).join(".") || "the configuration";

/**
 * Completes and checks options. Refuses names it does not know, values out of bounds, and options that contradict each other.
 * @throws ConfigError whose message is one line.
 */
export function resolveOptions(input: InputOptions): Options {
  return resolve(input, dotted);
}

/**
 * Options of a process: the JSON file that `FANWIRE_CONFIG` names, if any, and `FANWIRE_*` variables, which win.
 * @throws ConfigError whose message is one line.
 */
export function loadOptions(env: Environment, readFile: (path: string) => string): Options {
  const variables = readVariables(env, rules);
  const path = env.FANWIRE_CONFIG;
  const file = path === undefined ? {} : parseFile(path, readFile);
  return resolve(variables.over(file), (at) => {
    const variable = variables.nameOf(at);
    if (variable !== undefined) return variable;
    return path === undefined || at.length === 0 ? dotted(at) : `${dotted(at)} in ${path}`;
  });
}

function resolve(given: object, locate: Locate): Options {
  checkNamespaceNames(given, locate);
  const input = check(given, locate);
  const limits = resolveLimits(input.limits ?? {}, locate);
  const options: Options = {
    host: input.host ?? defaults.host,
    port: input.port ?? defaults.port,
    nodeId: input.nodeId ?? `node-${randomBytes(4).toString("hex")}`,
    logLevel: input.logLevel ?? defaults.logLevel,
    ...(input.jwtSecret !== undefined && { jwtSecret: input.jwtSecret }),
    ...(input.jwksUrl !== undefined && { jwksUrl: input.jwksUrl }),
    ...(input.jwksFile !== undefined && { jwksFile: input.jwksFile }),
    ...(input.jwtIssuer !== undefined && { jwtIssuer: input.jwtIssuer }),
    ...(input.jwtAudience !== undefined && { jwtAudience: input.jwtAudience }),
    allowedOrigins: input.allowedOrigins ?? [],
    trustedProxies: input.trustedProxies ?? [],
    apiKeys: input.apiKeys ?? [],
    ...(input.adminPort !== undefined && { adminPort: input.adminPort }),
    adminHost: input.adminHost ?? defaults.host,
    console: input.console ?? developmentMode(input),
    ...(input.redis && { redis: resolveRedis(input.redis, locate) }),
    namespaces: resolveNamespaces(input.namespaces ?? {}, limits, locate),
    limits,
  };
  checkAuthentication(options, locate);
  checkListeners(input, options, locate);
  return options;
}

function check(given: object, locate: Locate): InputOptions {
  const result = validate(given);
  if ("options" in result) return result.options;
  const { path, bound } = result;
  if (bound === undefined) throw new ConfigError(`${locate(path)} is not an option of fanwire`);
  throw new ConfigError(`${locate(path)} is ${shown(given, path)}: ${bound}`);
}

function resolveLimits(given: NonNullable<InputOptions["limits"]>, locate: Locate): Limits {
  const limits = {} as Record<LimitName, number>;
  for (const name of Object.keys(limitRules) as LimitName[]) {
    limits[name] = given[name] ?? limitRules[name].default;
  }
  const broken = contradiction(limits);
  if (broken === undefined) return limits;
  const { name, bound } = broken;
  throw new ConfigError(`${locate(["limits", name])} is ${limits[name]}: must be ${bound}`);
}

/** Every option, in the order in which a reader wants them. */
export function describeOptions(): readonly OptionRow[] {
  const file = {
    name: "",
    variable: "FANWIRE_CONFIG",
    default: "none",
    bounds: "a path",
    meaning: "JSON file with options by name; variables win over it.",
  };
  const described = rules.map(([name, { variable = "", default: standard, bounds, meaning }]) => {
    return { name, variable, default: standard, bounds, meaning };
  });
  return [file, ...described];
}

// Every option: name, default, bounds and one sentence, checked; knows nothing of what uses it. The only door to zod.

import { randomBytes } from "node:crypto";
import { isIPv4 } from "node:net";
import { z } from "zod";
import type { HistoryRule } from "./bridge/bridge.ts";
import { parseFile } from "./config-file.ts";
import { contradiction, type LimitName, type Limits, limitRules } from "./limits.ts";
import {
  defaultHistory,
  defaultJoinLeave,
  defaultMaxKeys,
  defaultMaxPublishBytes,
  resolveNamespaces,
} from "./namespaces.ts";
import {
  accesses,
  ConfigError,
  type InputOptions,
  type JoinLeaveRule,
  type Locate,
  logLevels,
  type NamespaceInput,
  type Options,
} from "./options.ts";

export type { Limits } from "./limits.ts";
export { ConfigError, type InputOptions, type NamespaceOptions, type Options } from "./options.ts";

const dayMs = 86_400_000;
const defaults = { host: "127.0.0.1", port: 9001, logLevel: "info" } as const;

interface OptionRule {
  readonly schema: (bound: string) => z.ZodType;
  readonly bounds: string;
  readonly default: string;
  readonly meaning: string;
  readonly variable?: string;
  /** How the variable's words become the option. */
  readonly read?: (value: string) => unknown;
}

const bytes = (value: string) => Buffer.byteLength(value);

const text = (fits: (value: string) => boolean) => (bound: string) => z.string(bound).refine(fits, bound);
const claim = text((value) => bytes(value) >= 1 && bytes(value) <= 1024);

/** What an integer's rule is made of, and what a choice's is. */
const integer = (least: number, most: number) => ({
  schema: (bound: string) => z.int(bound).gte(least, bound).lte(most, bound),
  bounds: `an integer from ${least} to ${most}`,
});
const oneOf = (words: readonly string[]) => ({
  schema: (bound: string) => z.enum(words, bound),
  bounds: `one of ${words.join(", ")}`,
});

/** The form in which browsers write an origin: lower case, without the scheme's usual port. */
function normalOrigin(origin: string): string | undefined {
  if (!/^[a-z][a-z\d+.-]*:\/\/[^\s/?#@*\\]+$/i.test(origin) || !URL.canParse(origin)) return undefined;
  const { origin: normal } = new URL(origin);
  // The standard gives other schemes, such as those of app shells, no origin of their own.
  return normal === "null" ? origin.toLowerCase() : normal;
}

const optionRules: Readonly<Record<Exclude<keyof InputOptions, "namespaces" | "limits">, OptionRule>> = {
  host: {
    schema: text((value) => /^[\w.:%-]{1,255}$/.test(value)),
    bounds: "a host name or an address",
    default: defaults.host,
    meaning: "Where to listen. Without a secret: loopback only.",
    variable: "FANWIRE_HOST",
  },
  port: {
    ...integer(0, 65_535),
    default: `${defaults.port}`,
    meaning: "Where to listen; 0 takes any free port, which the `listening` log line names.",
    variable: "FANWIRE_PORT",
    // Anything else stays a string, which is not an integer.
    read: (value) => (/^\d+$/.test(value) ? Number(value) : value),
  },
  nodeId: {
    schema: text((value) => /^[\w.-]{1,64}$/.test(value)),
    bounds: "1 to 64 letters, digits, `.`, `_` or `-`",
    default: "random",
    meaning: "A label of this node, told to clients.",
    variable: "FANWIRE_NODE_ID",
  },
  logLevel: {
    ...oneOf(logLevels),
    default: defaults.logLevel,
    meaning: "The least level that is logged.",
    variable: "FANWIRE_LOG_LEVEL",
  },
  jwtSecret: {
    schema: text((value) => bytes(value) >= 32),
    bounds: "at least 32 bytes",
    default: "none: development mode",
    meaning: "The HS256 secret that tokens are signed with.",
    variable: "FANWIRE_JWT_SECRET",
  },
  jwtIssuer: {
    schema: claim,
    bounds: "1 to 1024 bytes",
    default: "none: any",
    meaning: "What a token's `iss` must be.",
    variable: "FANWIRE_JWT_ISSUER",
  },
  jwtAudience: {
    schema: claim,
    bounds: "1 to 1024 bytes",
    default: "none: any",
    meaning: "What a token's `aud` must be or contain.",
    variable: "FANWIRE_JWT_AUDIENCE",
  },
  allowedOrigins: {
    schema: (bound) =>
      z.array(
        z.string(bound).transform((value, context) => normalOrigin(value) ?? refuse(context, bound)),
        bound,
      ),
    bounds: "a list of `scheme://host` or `scheme://host:port`",
    default: "none: same origin",
    meaning:
      "Origins of web pages that may connect besides the node's own; commas separate them in the variable.",
    variable: "FANWIRE_ALLOWED_ORIGINS",
    read: (value) => value.split(",").map((origin) => origin.trim()),
  },
};

function refuse(context: z.RefinementCtx, bound: string): never {
  context.addIssue({ code: "custom", message: bound });
  return z.NEVER;
}

const historyRules: Readonly<Record<keyof HistoryRule, OptionRule>> = {
  size: {
    ...integer(1, 1_000_000),
    default: `${defaultHistory.size}`,
    meaning: "Publications kept per topic; `stream` only.",
  },
  ttlMs: {
    ...integer(10, 7 * dayMs),
    default: `${defaultHistory.ttlMs}`,
    meaning: "How long a publication is kept; `stream` only.",
  },
};

const joinLeaveRules: Readonly<Record<keyof JoinLeaveRule, OptionRule>> = {
  maxMembers: {
    ...integer(1, 10_000),
    default: `${defaultJoinLeave.maxMembers}`,
    meaning: "Users in a topic above which nobody is told who comes and goes; needs `presence`.",
  },
};

const namespaceRules: Readonly<Record<Exclude<keyof NamespaceInput, "history" | "joinLeave">, OptionRule>> = {
  mode: {
    ...oneOf(["volatile", "stream", "latest"]),
    default: "none: required",
    meaning: "The promise that the namespace's topics keep.",
  },
  subscribe: {
    ...oneOf(accesses),
    default: "grant",
    meaning: "Who may subscribe: whose token grants it, every connection, or nobody but the server.",
  },
  publish: {
    ...oneOf(accesses),
    default: "grant",
    meaning: "Who may publish: whose token grants it, whoever is subscribed, or nobody but the server.",
  },
  binary: {
    schema: (bound) => z.boolean(bound),
    bounds: "true or false",
    default: "false",
    meaning: "Whether `data` may hold binary values, which only MessagePack subscribers can receive.",
  },
  maxPublishBytes: {
    ...integer(1, limitRules.maxFrameBytes.most),
    default: `${defaultMaxPublishBytes}`,
    meaning: "Largest publishing frame, as received; at most `limits.maxFrameBytes`.",
  },
  maxKeys: {
    ...integer(1, 1_000_000),
    default: `${defaultMaxKeys}`,
    meaning: "Keys per topic; one more is refused. `latest` only.",
  },
  flushWindowMs: {
    ...integer(0, 1000),
    default: "0",
    meaning:
      "Time over which a topic's publications are collected, to leave in one write; 0 sends each at once.",
  },
  presence: {
    schema: (bound) => z.boolean(bound),
    bounds: "true or false",
    default: "false; `room` and `game`: true",
    meaning: "Whether it is known who is in a topic.",
  },
};

/** An object of options, each of which may be left out, and no others. */
function optional(rules: Readonly<Record<string, OptionRule>>, more: Record<string, z.ZodType> = {}) {
  const shape: Record<string, z.ZodType> = { ...more };
  for (const [name, rule] of Object.entries(rules)) shape[name] = rule.schema(`must be ${rule.bounds}`);
  return z.strictObject(shape, "must be an object").partial();
}

const limitShape: Record<string, OptionRule> = {};
for (const [name, rule] of Object.entries(limitRules)) {
  limitShape[name] = { ...integer(rule.least, rule.most), default: `${rule.default}`, meaning: rule.meaning };
}

const namespaceSchema = optional(namespaceRules, {
  history: optional(historyRules),
  joinLeave: optional(joinLeaveRules),
});
const schema = optional(optionRules, {
  namespaces: z.record(z.string(), namespaceSchema, "must be an object"),
  limits: optional(limitShape),
});

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
export function loadOptions(
  env: Readonly<Record<string, string | undefined>>,
  readFile: (path: string) => string,
): Options {
  const given = readVariables(env);
  const path = env.FANWIRE_CONFIG;
  const file = path === undefined ? {} : parseFile(path, readFile);
  return resolve({ ...file, ...given }, (at) => {
    const [option] = at;
    if (typeof option === "string" && Object.hasOwn(given, option)) {
      return optionRules[option as keyof typeof optionRules].variable ?? option;
    }
    return path === undefined || option === undefined ? dotted(at) : `${dotted(at)} in ${path}`;
  });
}

function readVariables(env: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  const known = new Set(["FANWIRE_CONFIG"]);
  for (const [option, { variable, read }] of Object.entries(optionRules)) {
    if (variable === undefined) continue;
    known.add(variable);
    const value = env[variable];
    if (value !== undefined) given[option] = read ? read(value) : value;
  }
  for (const name of Object.keys(env)) {
    if (!name.startsWith("FANWIRE_") || known.has(name) || env[name] === undefined) continue;
    throw new ConfigError(`${name} is not a variable of fanwire; there are ${[...known].sort().join(", ")}`);
  }
  return given;
}

function resolve(given: object, locate: Locate): Options {
  checkNames(given, locate);
  const input = validate(given, locate);
  const limits = resolveLimits(input.limits ?? {}, locate);
  const options: Options = {
    host: input.host ?? defaults.host,
    port: input.port ?? defaults.port,
    nodeId: input.nodeId ?? `node-${randomBytes(4).toString("hex")}`,
    logLevel: input.logLevel ?? defaults.logLevel,
    ...(input.jwtSecret !== undefined && { jwtSecret: input.jwtSecret }),
    ...(input.jwtIssuer !== undefined && { jwtIssuer: input.jwtIssuer }),
    ...(input.jwtAudience !== undefined && { jwtAudience: input.jwtAudience }),
    allowedOrigins: input.allowedOrigins ?? [],
    namespaces: resolveNamespaces(input.namespaces ?? {}, limits, locate),
    limits,
  };
  checkAuthentication(options, locate);
  return options;
}

/** Looks at the names themselves, because a record's schema passes over the name `__proto__`. */
function checkNames(given: { namespaces?: unknown }, locate: Locate): void {
  for (const name of Object.keys(given.namespaces ?? {})) {
    if (/^[a-z0-9-]{1,64}$/.test(name)) continue;
    const at = locate(["namespaces"]);
    throw new ConfigError(`${at} has ${JSON.stringify(name)}: must be a name of 1 to 64 of a-z, 0-9 and -`);
  }
}

function validate(given: object, locate: Locate): InputOptions {
  const result = schema.safeParse(given);
  if (result.success) return result.data as InputOptions;
  const issue = result.error.issues[0];
  const path = issue?.path ?? [];
  if (issue?.code === "unrecognized_keys") {
    throw new ConfigError(`${locate([...path, issue.keys[0] ?? ""])} is not an option of fanwire`);
  }
  throw new ConfigError(`${locate(path)} is ${shown(given, path)}: ${issue?.message}`);
}

/** The value at a path, short and without secrets. */
function shown(given: object, path: readonly PropertyKey[]): string {
  let value: unknown = given;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  if (path[0] === "jwtSecret") {
    return typeof value === "string" ? `${bytes(value)} bytes long` : `a ${typeof value}`;
  }
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
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

/** Whether tokens are not checked: everybody is a guest, so the node stays on loopback. */
export function developmentMode(options: Pick<Options, "jwtSecret">): boolean {
  return options.jwtSecret === undefined;
}

function checkAuthentication(options: Options, locate: Locate): void {
  if (!developmentMode(options)) return;
  for (const name of ["jwtIssuer", "jwtAudience"] as const) {
    if (options[name] === undefined) continue;
    const value = JSON.stringify(options[name]);
    throw new ConfigError(
      `${locate([name])} is ${value}: must be absent where FANWIRE_JWT_SECRET (jwtSecret) is`,
    );
  }
  const loopback =
    options.host === "localhost" ||
    options.host === "::1" ||
    (isIPv4(options.host) && options.host.startsWith("127."));
  if (loopback) return;
  throw new ConfigError(
    `${locate(["host"])} is ${JSON.stringify(options.host)}: must be loopback (127.0.0.1, ::1, localhost) while ` +
      "FANWIRE_JWT_SECRET (jwtSecret) is not set, because without it everybody is let in",
  );
}

/** One row of the README's table of options. */
export interface OptionRow {
  readonly name: string;
  readonly variable: string;
  readonly default: string;
  readonly bounds: string;
  readonly meaning: string;
}

/** Every option, in the order in which a reader wants them. */
export function describeOptions(): readonly OptionRow[] {
  const rows: OptionRow[] = [];
  const add = (prefix: string, rules: Readonly<Record<string, OptionRule>>) => {
    for (const [name, rule] of Object.entries(rules)) {
      const { variable = "", default: standard, bounds, meaning } = rule;
      rows.push({ name: prefix + name, variable, default: standard, bounds, meaning });
    }
  };
  rows.push({
    name: "",
    variable: "FANWIRE_CONFIG",
    default: "none",
    bounds: "a path",
    meaning: "JSON file with options by name; variables win over it.",
  });
  add("", optionRules);
  add("namespaces.*.", namespaceRules);
  add("namespaces.*.history.", historyRules);
  add("namespaces.*.joinLeave.", joinLeaveRules);
  add("limits.", limitShape);
  return rows;
}

// Every option: name, default, bounds and one sentence, checked; knows nothing of what uses it. The only door to zod.

import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { HistoryRule } from "./bridge/bridge.ts";
import { checkAuthentication, developmentMode, normalUrl } from "./config-authentication.ts";
import { parseFile } from "./config-file.ts";
import { checkListeners } from "./config-listeners.ts";
import { shown } from "./config-shown.ts";
import { contradiction, type LimitName, type Limits, limitRules } from "./limits.ts";
import {
  checkNamespaceNames,
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
  type OptionRow,
  type Options,
} from "./options.ts";
import { normalOrigin } from "./origin.ts";

export { developmentMode } from "./config-authentication.ts";
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

const host = text((value) => /^[\w.:%-]{1,255}$/.test(value));
const port = {
  ...integer(0, 65_535),
  // Anything else stays a string, which is not an integer.
  read: (value: string) => (/^\d+$/.test(value) ? Number(value) : value),
};
const list = (value: string) => value.split(",").map((item) => item.trim());

const optionRules: Readonly<Record<Exclude<keyof InputOptions, "namespaces" | "limits">, OptionRule>> = {
  host: {
    schema: host,
    bounds: "a host name or an address",
    default: defaults.host,
    meaning: "Where to listen. In development mode: loopback only.",
    variable: "FANWIRE_HOST",
  },
  port: {
    ...port,
    default: `${defaults.port}`,
    meaning: "Where to listen; 0 takes any free port, which the `listening` log line names.",
    variable: "FANWIRE_PORT",
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
  jwksUrl: {
    schema: (bound) =>
      z.string(bound).transform((value, context) => normalUrl(value) ?? refuse(context, bound)),
    bounds: "an http or https URL without credentials or fragment",
    default: "none",
    meaning: "Instead of a secret: where the public keys (RS, PS, ES, EdDSA) of whoever signs tokens are.",
    variable: "FANWIRE_JWKS_URL",
  },
  jwksFile: {
    schema: text((value) => value !== "" && bytes(value) <= 4096 && !value.includes("\0")),
    bounds: "a path",
    default: "none",
    meaning: "The same as a file; a change is noticed within seconds.",
    variable: "FANWIRE_JWKS_FILE",
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
    read: list,
  },
  apiKeys: {
    // Without commas, which separate them in the variable, and of what a header can carry.
    schema: (bound) => z.array(z.string(bound).regex(/^[!-+\--~]{16,256}$/, bound), bound).min(1, bound),
    bounds: "a list of keys of 16 to 256 visible ASCII characters, no commas",
    default: "none: no API",
    meaning:
      "Who brings one of these as `Bearer` may use the server API; commas separate them in the variable.",
    variable: "FANWIRE_API_KEY",
    read: list,
  },
  adminPort: {
    ...port,
    default: "none",
    meaning: "Moves `/api`, `/metrics` and the console to a second listener; 0 takes any free port.",
    variable: "FANWIRE_ADMIN_PORT",
  },
  adminHost: {
    schema: host,
    bounds: "a host name or an address",
    default: defaults.host,
    meaning: "Where that one listens; needs `adminPort`. In development mode: loopback only.",
    variable: "FANWIRE_ADMIN_HOST",
  },
  console: {
    schema: (bound) => z.boolean(bound),
    bounds: "true or false",
    default: "development mode only",
    meaning: "Whether the console is served at `/`; needs `apiKeys` or `adminPort` outside development mode.",
    variable: "FANWIRE_CONSOLE",
    read: (value) => (value === "true" || value === "false" ? value === "true" : value),
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
  maxBytes: {
    ...integer(1024, 1024 ** 3),
    default: `${defaultHistory.maxBytes}`,
    meaning: "Memory that a topic's publications may take, about; `stream` only.",
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
  publishesPerSecond: {
    ...integer(1, 1_000_000),
    default: "none: as often as frames",
    meaning: "Publications of one connection into the namespace per second; as many may come at once.",
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
  checkNamespaceNames(given, locate);
  const input = validate(given, locate);
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
    apiKeys: input.apiKeys ?? [],
    ...(input.adminPort !== undefined && { adminPort: input.adminPort }),
    adminHost: input.adminHost ?? defaults.host,
    console: input.console ?? developmentMode(input),
    namespaces: resolveNamespaces(input.namespaces ?? {}, limits, locate),
    limits,
  };
  checkAuthentication(options, locate);
  checkListeners(input, options, locate);
  return options;
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

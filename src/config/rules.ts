// Every option's rule: bounds, default and one sentence, and whether a value keeps them; knows nothing of what uses an option,
// nor of what options say of each other. The only door to zod.

import { z } from "zod";
import type { HistoryRule } from "../bridge/bridge.ts";
import { isAddressRange } from "../connections/client-address.ts";
import { normalOrigin } from "../connections/origin.ts";
import { normalUrl } from "./authentication.ts";
import { limitRules } from "./limits.ts";
import { defaultHistory, defaultJoinLeave, defaultMaxKeys, defaultMaxPublishBytes } from "./namespaces.ts";
import {
  accesses,
  type InputOptions,
  type JoinLeaveRule,
  logLevels,
  type NamespaceInput,
  type RedisOptions,
} from "./options.ts";
import { defaultRedisPrefix, normalRedisUrl } from "./redis.ts";

const dayMs = 86_400_000;
export const defaults = { host: "127.0.0.1", port: 9001, logLevel: "info" } as const;

export interface OptionRule {
  readonly schema: (bound: string) => z.ZodType;
  readonly bounds: string;
  readonly default: string;
  readonly meaning: string;
  readonly variable?: string;
  /** How the variable's words become the option. */
  readonly read?: (value: string) => unknown;
}

type Rules<Name extends string = string> = Readonly<Record<Name, OptionRule>>;

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
/** More of them would gain nothing, and each costs every node two connections. */
const mostShards = 16;
const list = (value: string) => value.split(",").map((item) => item.trim());

const optionRules: Rules<Exclude<keyof InputOptions, "redis" | "namespaces" | "limits">> = {
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
  trustedProxies: {
    schema: (bound) => z.array(z.string(bound).refine(isAddressRange, bound), bound),
    bounds: "a list of IP addresses, or ranges of them as `address/bits`",
    default: "none",
    meaning:
      "Proxies whose `X-Forwarded-For` says who a client is, for limits by address; commas separate them in the variable.",
    variable: "FANWIRE_TRUSTED_PROXIES",
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

const redisRules: Rules<keyof RedisOptions> = {
  urls: {
    schema: (bound) =>
      z
        .array(
          z.string(bound).transform((value, context) => normalRedisUrl(value) ?? refuse(context, bound)),
          bound,
        )
        .min(1, bound)
        .max(mostShards, bound)
        .refine((urls) => new Set(urls).size === urls.length, bound),
    bounds: `a list of 1 to ${mostShards} different \`redis://\` or \`rediss://\` URLs, or paths of Unix sockets; no database but 0`,
    default: "none: one node, in memory",
    meaning:
      "Where the Redis between nodes is; spaces separate several in the variable, which share the topics.",
    variable: "FANWIRE_REDIS_URL",
    read: (value) => value.split(" ").filter((url) => url !== ""),
  },
  prefix: {
    schema: text((value) => /^[\w:.-]{1,64}$/.test(value)),
    bounds: "1 to 64 letters, digits, `:`, `.`, `_` or `-`",
    default: defaultRedisPrefix,
    meaning: "What every key and channel begins with; nodes with different ones share nothing.",
    variable: "FANWIRE_REDIS_PREFIX",
  },
  queueWhileAway: {
    schema: (bound) => z.boolean(bound),
    bounds: "true or false",
    default: "true",
    meaning:
      "While Redis is away: whether publications wait for it up to `limits.publishTimeoutMs`, or are refused at once.",
  },
};

const historyRules: Rules<keyof HistoryRule> = {
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

const joinLeaveRules: Rules<keyof JoinLeaveRule> = {
  maxMembers: {
    ...integer(1, 10_000),
    default: `${defaultJoinLeave.maxMembers}`,
    meaning: "Users in a topic above which nobody is told who comes and goes; needs `presence`.",
  },
};

const namespaceRules: Rules<Exclude<keyof NamespaceInput, "history" | "joinLeave">> = {
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
function optional(rules: Rules, more: Record<string, z.ZodType> = {}) {
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
  redis: optional(redisRules),
  namespaces: z.record(z.string(), namespaceSchema, "must be an object"),
  limits: optional(limitShape),
});

/** Every rule by the path of what it is for, where `*` stands for any name, in the order in which a reader wants them. */
export const rules: readonly (readonly [path: string, rule: OptionRule])[] = [
  ...rulesAt("", optionRules),
  ...rulesAt("redis.", redisRules),
  ...rulesAt("namespaces.*.", namespaceRules),
  ...rulesAt("namespaces.*.history.", historyRules),
  ...rulesAt("namespaces.*.joinLeave.", joinLeaveRules),
  ...rulesAt("limits.", limitShape),
];

function rulesAt(prefix: string, group: Rules): (readonly [string, OptionRule])[] {
  return Object.entries(group).map(([name, rule]) => [prefix + name, rule]);
}

/** What is wrong first: where, and which bound it breaks, or that there is no such option. */
export interface Issue {
  readonly path: readonly PropertyKey[];
  readonly bound: string | undefined;
}

/** Options as they were given, in their normal forms, or what is wrong with them. */
export function validate(given: object): { readonly options: InputOptions } | Issue {
  const result = schema.safeParse(given);
  if (result.success) return { options: result.data as InputOptions };
  const issue = result.error.issues[0];
  const path = issue?.path ?? [];
  if (issue?.code === "unrecognized_keys") return { path: [...path, issue.keys[0] ?? ""], bound: undefined };
  return { path, bound: issue?.message ?? "must be something else" };
}

// What can be set and in which shape: options as they are given and as they are used; knows nothing of checking them.

import type { HistoryRule } from "../bridge/bridge.ts";
import type { Mode } from "../wire/frames.ts";
import type { LimitName, Limits } from "./limits.ts";

/** An option that cannot be used. The message is one line that names the option, its value and its bound. */
export class ConfigError extends Error {
  constructor(message: string) {
    super(message.replace(/\p{Cc}+/gu, " "));
    this.name = "ConfigError";
  }
}

/** Says where an option was given: the name of a variable, or its path within a file. */
export type Locate = (path: readonly PropertyKey[]) => string;

export const accesses = ["grant", "members", "none"] as const;

/**
 * Who may subscribe or publish. `grant`: whose token grants it. `members`: to subscribe, every authenticated connection; to
 * publish, whoever is subscribed to the topic. `none`: nobody but the server.
 */
export type Access = (typeof accesses)[number];

/** Of what size of topic subscribers are told who comes and goes. */
export interface JoinLeaveRule {
  /** In users. In a topic with more of them nobody is told. */
  readonly maxMembers: number;
}

interface NamespaceRules {
  readonly subscribe: Access;
  readonly publish: Access;
  /** Whether `data` may hold binary values; subscribers must then use MessagePack. */
  readonly binary: boolean;
  /** Largest publishing frame, as received. */
  readonly maxPublishBytes: number;
  /** How often one connection may publish into the namespace; absent: as often as it may send. */
  readonly publishesPerSecond?: number;
  /** Time over which a topic's publications are collected, to share a write. */
  readonly flushWindowMs: number;
  /** Whether it is known who is in a topic. */
  readonly presence: boolean;
  /** Whether subscribers are told who comes and goes, in topics of up to so many users. */
  readonly joinLeave?: JoinLeaveRule;
}

/** What holds for every topic of one namespace. */
export type NamespaceOptions = NamespaceRules &
  (
    | { readonly mode: "stream"; readonly history: HistoryRule }
    | { readonly mode: "latest"; readonly maxKeys: number }
    | { readonly mode: "volatile" }
  );

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** What lies between nodes. */
export interface RedisOptions {
  /** Each an independent Redis: topics are spread over them. They may hold passwords. */
  readonly urls: readonly string[];
  readonly prefix: string;
  /** Whether publications wait, up to their deadline, while Redis is away. */
  readonly queueWhileAway: boolean;
}

/** Options after `resolveOptions`: valid, complete and without contradictions. */
export interface Options {
  readonly host: string;
  readonly port: number;
  readonly nodeId: string;
  readonly logLevel: LogLevel;
  /** One of these three says how tokens are verified; in development mode none does. */
  readonly jwtSecret?: string;
  readonly jwksUrl?: string;
  readonly jwksFile?: string;
  readonly jwtIssuer?: string;
  readonly jwtAudience?: string;
  /** Who has one of them may use the server API; without any there is none. */
  readonly apiKeys: readonly string[];
  /** A second listener for what is not for clients; absent: the first one has it all. */
  readonly adminPort?: number;
  readonly adminHost: string;
  /** Whether the console is served. */
  readonly console: boolean;
  /** As browsers write them in `Origin`. */
  readonly allowedOrigins: readonly string[];
  /** Addresses, and ranges of them, from which `X-Forwarded-For` is believed. */
  readonly trustedProxies: readonly string[];
  /** Absent: this is the only node, and its topics are in its memory. */
  readonly redis?: RedisOptions;
  /** By name, built-ins included. A map, because `constructor` is a valid name too. */
  readonly namespaces: ReadonlyMap<string, NamespaceOptions>;
  readonly limits: Limits;
}

/** A namespace as declared. `mode` may be left out where a built-in namespace is changed. */
export interface NamespaceInput {
  readonly mode?: Mode | undefined;
  /** Streams only. Defaults: 1000 publications, 600000 ms, 16 MiB. */
  readonly history?:
    | {
        readonly size?: number | undefined;
        readonly ttlMs?: number | undefined;
        readonly maxBytes?: number | undefined;
      }
    | undefined;
  readonly subscribe?: Access | undefined;
  readonly publish?: Access | undefined;
  readonly binary?: boolean | undefined;
  readonly maxPublishBytes?: number | undefined;
  readonly publishesPerSecond?: number | undefined;
  /** `latest` only. Default 10000. */
  readonly maxKeys?: number | undefined;
  /** Default 0. */
  readonly flushWindowMs?: number | undefined;
  /** Default false. */
  readonly presence?: boolean | undefined;
  /** With presence only; absent by default. Default within: 100 users. */
  readonly joinLeave?: { readonly maxMembers?: number | undefined } | undefined;
}

/** Options as given: everything may be left out. Names, defaults and bounds stand in the README's table. */
export interface InputOptions {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly nodeId?: string | undefined;
  readonly logLevel?: LogLevel | undefined;
  readonly jwtSecret?: string | undefined;
  readonly jwksUrl?: string | undefined;
  readonly jwksFile?: string | undefined;
  readonly jwtIssuer?: string | undefined;
  readonly jwtAudience?: string | undefined;
  readonly apiKeys?: readonly string[] | undefined;
  readonly adminPort?: number | undefined;
  readonly adminHost?: string | undefined;
  /** Default: in development mode only. */
  readonly console?: boolean | undefined;
  readonly allowedOrigins?: readonly string[] | undefined;
  readonly trustedProxies?: readonly string[] | undefined;
  /** Default: none, and topics in memory. Defaults within: `prefix` `fanwire:`, `queueWhileAway` true. */
  readonly redis?:
    | {
        readonly urls?: readonly string[] | undefined;
        readonly prefix?: string | undefined;
        readonly queueWhileAway?: boolean | undefined;
      }
    | undefined;
  readonly namespaces?: Readonly<Record<string, NamespaceInput>> | undefined;
  readonly limits?: { readonly [Name in LimitName]?: number | undefined } | undefined;
}

/** One row of the README's table of options. */
export interface OptionRow {
  readonly name: string;
  readonly variable: string;
  readonly default: string;
  readonly bounds: string;
  readonly meaning: string;
}

// The library's entry: what an application is given of a node, and how it starts one.

import type { Application } from "./application.ts";
import type { Position } from "./bridge/bridge.ts";
import { resolveOptions } from "./config/config.ts";
import type { InputOptions } from "./config/options.ts";
import type { Log } from "./log.ts";
import { startNode } from "./node.ts";

export type {
  AccessRequest,
  Application,
  CallContext,
  CallHandler,
  ConnectionEvent,
  SnapshotProvider,
} from "./application.ts";
export type { Position } from "./bridge/bridge.ts";
export { ConfigError, type InputOptions, type NamespaceInput } from "./config/options.ts";
export { type CloseReason, closeRules, type ErrorCode, errorRules, FanwireError } from "./errors.ts";
export type { Log } from "./log.ts";
export type { Snapshot } from "./wire/frames.ts";

/** What goes with a publication of the application's own. */
export interface PublishOptions {
  /** What kind of message it is, up to the application. */
  readonly event?: string;
  /** On whose behalf; clients see it as the publisher. */
  readonly userId?: string;
  /** In mode `latest`, where it is required: what `data` is the newest value of. */
  readonly key?: string;
  /** In mode `latest`: the key is gone. */
  readonly removed?: boolean;
  /** A second publication of the topic under the same key is not made. Not in mode `volatile`. Scope: the topic. */
  readonly idempotencyKey?: string;
}

/** A running node. */
export interface Server {
  readonly address: {
    readonly host: string;
    readonly port: number;
    readonly engine: "bun" | "uws";
    /** Where the second listener is, if there is one. */
    readonly adminHost?: string;
    readonly adminPort?: number;
  };
  /**
   * Publishes to every subscriber of a topic. `data`: the JSON data model; it is copied. Resolves to the publication's
   * position once it is accepted, to nothing for a volatile topic. Rejects with a FanwireError: `bad-topic`,
   * `unknown-namespace`, `bad-data`, `mode-mismatch`, `unavailable`, `outcome-unknown`.
   */
  publish(topic: string, data: unknown, options?: PublishOptions): Promise<Position | undefined>;
  /** Publishes to everyone: the topic `broadcast:all`. */
  broadcast(data: unknown, options?: PublishOptions): Promise<Position | undefined>;
  /** Publishes to all devices of a user: the topic `user:<userId>`. */
  sendToUser(userId: string, data: unknown, options?: PublishOptions): Promise<Position | undefined>;
  /** Drains: takes nobody in, tells all clients to come back elsewhere (1012), and stops. Repeated calls share one end. */
  close(): Promise<void>;
}

export interface ServerInput extends InputOptions, Application {
  /** Where log lines go; by default to standard output as JSON. */
  readonly log?: Log;
}

/**
 * Starts a node and resolves when it listens, also where Redis is away: then it is not ready until it finds it. Rejects with
 * a ConfigError for an option that cannot be used, also where Redis refuses the password or the other nodes there are set
 * differently, and with the system's error (`code` `EADDRINUSE` and the like) where it cannot listen.
 */
export async function createServer(input: ServerInput = {}): Promise<Server> {
  const { calls, authorize, snapshots, onConnect, onDisconnect, log, ...rest } = input;
  const application: Application = {
    ...(calls && { calls }),
    ...(authorize && { authorize }),
    ...(snapshots && { snapshots }),
    ...(onConnect && { onConnect }),
    ...(onDisconnect && { onDisconnect }),
  };
  return startNode(resolveOptions(rest), application, log);
}

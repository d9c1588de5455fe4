// What an application that embeds fanwire can add: calls, its own authorisation, connection hooks. Types only.

import type { Position } from "./bridge/bridge.ts";
import type { Snapshot } from "./wire/frames.ts";

/** Who makes a call. `signal` aborts when the call's deadline passes or the connection ends. */
export interface CallContext {
  readonly userId: string;
  readonly sessionId: string;
  /** The token's `fanwire.info`. */
  readonly info: Readonly<Record<string, unknown>> | undefined;
  readonly signal: AbortSignal;
}

/**
 * Answers one `call` frame: what it returns (the JSON data model, or nothing) becomes `data` of the `ok`. A FanwireError
 * that it throws becomes the `error`, anything else is logged and answered `call-failed`. After `callTimeoutMs` the caller
 * is answered `timeout`, whatever the handler still does.
 */
export type CallHandler = (data: unknown, context: CallContext) => unknown;

/**
 * The state of a `stream` topic and the position it is true at: what publishing answered for the last publication that is in
 * it. `position`: where the topic stands, for a state that has everything. The history must reach back to what is answered.
 */
export type SnapshotProvider = (topic: string, position: Position) => Snapshot | Promise<Snapshot>;

export interface AccessRequest {
  readonly action: "subscribe" | "publish";
  readonly topic: string;
  readonly userId: string;
  readonly info: Readonly<Record<string, unknown>> | undefined;
}

export interface ConnectionEvent {
  readonly userId: string;
  readonly sessionId: string;
}

/** Everything an application may bring along. A hook that throws or rejects is logged and harms nothing else. */
export interface Application {
  readonly calls?: Readonly<Record<string, CallHandler>>;
  /**
   * Decides on access before the token's grants do: true allows, false forbids, undefined leaves it to the grants. A promise
   * has `callTimeoutMs`. Others' `user:` topics stay out of reach.
   */
  readonly authorize?: (request: AccessRequest) => boolean | undefined | Promise<boolean | undefined>;
  /**
   * By namespace of mode `stream`: a subscriber without a usable position gets the snapshot first, then the publications after
   * it. It has `callTimeoutMs`; a subscribe fails with its failure, a `reset` goes without.
   */
  readonly snapshots?: Readonly<Record<string, SnapshotProvider>>;
  readonly onConnect?: (event: ConnectionEvent) => unknown;
  readonly onDisconnect?: (event: ConnectionEvent & { readonly code: number }) => unknown;
}

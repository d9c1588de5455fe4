// The frames of protocol 1 as types, shared by server and clients; knows nothing of their encoding.

import type { Position, Publication } from "../bridge/bridge.ts";
import type { TopicUser } from "../bridge/presence.ts";
import type { ErrorCode } from "../errors.ts";

/** How a topic behaves; the promise of each stands in README.md. */
export type Mode = "volatile" | "stream" | "latest";

export const protocolVersion = 1;

export interface PingFrame {
  readonly type: "ping";
  readonly id?: number;
}

export interface SubscribeFrame {
  readonly type: "subscribe";
  /** Never left out: the answer carries what was missed. */
  readonly id: number;
  readonly topic: string;
  readonly since?: Position;
  /** In mode `latest`: at most so many times a second. */
  readonly maxRateHz?: number;
}

export interface UnsubscribeFrame {
  readonly type: "unsubscribe";
  readonly id?: number;
  readonly topic: string;
}

export interface PublishFrame {
  readonly type: "publish";
  readonly id?: number;
  readonly topic: string;
  /** May be left out where `removed` says that there is none any more. */
  readonly data: unknown;
  readonly event?: string;
  /** In mode `latest`: what this is the newest value of. */
  readonly key?: string;
  readonly removed?: true;
  readonly idempotencyKey?: string;
  readonly echo?: boolean;
}

export interface HistoryFrame {
  readonly type: "history";
  readonly id?: number;
  readonly topic: string;
  readonly since?: Position;
  readonly limit?: number;
}

export interface PresenceFrame {
  readonly type: "presence";
  readonly id?: number;
  readonly topic: string;
}

export interface RefreshFrame {
  readonly type: "refresh";
  readonly id?: number;
  readonly token: string;
}

export interface CallFrame {
  readonly type: "call";
  readonly id?: number;
  readonly method: string;
  readonly data?: unknown;
}

/** What a client may send. With an `id` (a positive integer) it is answered by exactly one `ok`, `pong` or `error`. */
export type ClientFrame =
  | PingFrame
  | SubscribeFrame
  | UnsubscribeFrame
  | PublishFrame
  | HistoryFrame
  | PresenceFrame
  | RefreshFrame
  | CallFrame;

/** A publication as it stands in `publications` of an `ok`. `offset` is there where the topic is positioned. */
export interface PublicationItem extends Publication {
  readonly offset?: number;
}

export interface MessageFrame extends PublicationItem {
  readonly type: "message";
  readonly topic: string;
}

/** A topic the server joined for the client. `epoch` and `offset` are there where the topic is positioned. */
export interface JoinedTopic extends Partial<Position> {
  readonly topic: string;
  readonly mode: Mode;
}

export interface ConnectedFrame {
  readonly type: "connected";
  readonly sessionId: string;
  readonly userId: string;
  readonly nodeId: string;
  readonly timestamp: number;
  readonly heartbeatMs: number;
  readonly expiresAt?: number;
  readonly protocol: typeof protocolVersion;
  readonly subscriptions: readonly JoinedTopic[];
}

export interface OkFrame {
  readonly type: "ok";
  readonly id: number;
  readonly [field: string]: unknown;
}

export interface ErrorFrame {
  readonly type: "error";
  readonly id?: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** The state of a topic as an application sees it, and the position it is true at. */
export interface Snapshot extends Position {
  readonly data: unknown;
}

export interface ResetFrame extends Position {
  readonly type: "reset";
  readonly topic: string;
  /** Where the application provides one: true at the frame's position. */
  readonly snapshot?: Snapshot;
}

/** A user's stay in a topic began, or ended. */
export interface StayFrame extends TopicUser {
  readonly type: "join" | "leave";
  readonly topic: string;
  /** Users in the topic from then on: whoever keeps a list, and has another number, asks for `presence` anew. */
  readonly count: number;
}

export interface PongFrame {
  readonly type: "pong";
  readonly id?: number;
  readonly timestamp: number;
}

export interface ClosingFrame {
  readonly type: "closing";
  readonly code: number;
  /** In event streams, whose end has no words of its own. */
  readonly reason?: string;
  readonly retryAfterMs: number;
}

/** What a server may send. */
export type ServerFrame =
  | ConnectedFrame
  | MessageFrame
  | OkFrame
  | ErrorFrame
  | ResetFrame
  | StayFrame
  | PongFrame
  | ClosingFrame;

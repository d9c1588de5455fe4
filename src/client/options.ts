// What an application gives the client: options, handlers, and what it is told. Types and defaults; knows nothing of how.

import type { Position } from "../bridge/bridge.ts";
import type { PresentUser } from "../bridge/presence.ts";
import type {
  ClientFrame,
  MessageFrame,
  Mode,
  PublicationItem,
  ServerFrame,
  Snapshot,
  StayFrame,
} from "../wire/frames.ts";
import type { Clock } from "./environment.ts";
import type { FanwireClientError } from "./error.ts";
import type { ClientFormat } from "./format.ts";

/**
 * Why a token is needed: to `connect`; to `refresh` one that expires soon; or because the last one was `refused` or has
 * expired, so that it must not come out of a cache.
 */
export type TokenReason = "connect" | "refresh" | "refused";

export interface ClientOptions {
  /**
   * The token, or whatever gets one. A function is asked before each connection and before the token expires; where it throws,
   * the client backs off and asks again. A string cannot be renewed: once it is refused or has expired, the client is closed.
   */
  readonly token?: string | ((reason: TokenReason) => string | Promise<string>);
  /** Adds `?room=` to the address, by which a proxy may send those of one room to the same node. */
  readonly room?: string;
  /** Default JSON. `msgpack` of `fanwire/client/msgpack` carries binary data. */
  readonly format?: ClientFormat;
  /** How long the token and the greeting may take together, in milliseconds; default 10,000. */
  readonly connectTimeoutMs?: number;
  /** Silence after which the server is asked for a sign of life; default 15,000, or the server's own interval if that is less. */
  readonly heartbeatMs?: number;
  /** How long that may take; default 10,000. */
  readonly heartbeatTimeoutMs?: number;
  /** A connection that lived this long forgives the failures before it; default 5,000. */
  readonly stableAfterMs?: number;
  /** How long `call`, `history` and `presence` may take, the wait for a connection included; default 10,000. */
  readonly requestTimeoutMs?: number;
  /**
   * The same for `publish`; default 60,000. Not above 240,000: the server remembers idempotency keys for five minutes, and
   * exactly once rests on them.
   */
  readonly publishTimeoutMs?: number;
  /** Requests that wait for a connection or an answer; default 1,000. One more is rejected `too-many`. */
  readonly maxPending?: number;
  /** Bytes that wait for the network above which `send` drops; default 262,144. */
  readonly maxBufferedBytes?: number;
  /** Another WebSocket than the runtime's own: a class with the standard's interface. */
  readonly WebSocket?: unknown;
  /** For tests: another clock than the system's. */
  readonly clock?: Clock;
  /** For tests: another source of chance than `Math.random`. */
  readonly random?: () => number;
}

/**
 * `connecting`: getting a token, opening a socket, waiting for the greeting. `connected`: greeted. `waiting`: a pause before the
 * next try, `retryInMs` long. `closed`: nothing happens until `connect()`; `code` and `reason` say why, 1000 by the
 * application.
 */
export type ClientState =
  | { readonly state: "connecting" }
  | {
      readonly state: "connected";
      readonly userId: string;
      readonly sessionId: string;
      readonly nodeId: string;
    }
  | { readonly state: "waiting"; readonly code: number; readonly reason: string; readonly retryInMs: number }
  | { readonly state: "closed"; readonly code: number; readonly reason: string };

/** What `client.on` tells. */
export interface ClientEvents {
  /** Every change of the client's state. */
  state: ClientState;
  /** What went wrong and is nobody's rejection: a token could not be had, a `send` was refused. */
  error: Error;
  /** Every frame that is sent or arrives, to look at. */
  traffic: { readonly direction: "in" | "out"; readonly frame: ClientFrame | ServerFrame };
}

/** A publication as a subscriber gets it. `offset` is there in `stream` and `latest` topics. */
export type Message = MessageFrame;

/** A topic's continuity ended. */
export interface Reset extends Position {
  readonly topic: string;
  /** The state at this position, where the server's application provides one. */
  readonly snapshot?: Snapshot | undefined;
}

/** A topic is subscribed, for the first time or again. */
export interface Subscribed {
  readonly topic: string;
  readonly mode: Mode;
  /**
   * Whether everything since the last message, or since the option `since`, is here or follows. False the first time, in
   * volatile topics, and after a `reset`.
   */
  readonly recovered: boolean;
  /** Where the topic stands before the messages that follow; not in volatile topics. */
  readonly position?: Position | undefined;
  /** The state at `position`, where there is no earlier one and the server's application provides one. */
  readonly snapshot?: Snapshot | undefined;
  /** How often at most `latest` values come, where a rate was asked for. */
  readonly maxRateHz?: number | undefined;
}

/** Who came or went, and how many users are in the topic from then on (`count`). */
export type PresenceChange = StayFrame;

export interface SubscribeOptions {
  /** Everything published, once, and in order; in `latest` topics the newest values, never an older one after a newer one. */
  onMessage(message: Message): void;
  /**
   * Continuity ended, and what the application has made of earlier messages is no longer known to be right. It begins anew: in
   * `stream` topics from `snapshot` or from what its own back end says, in `latest` topics from nothing, since all values follow.
   */
  onReset?(reset: Reset): void;
  /** Subscribed, each time anew; after `onReset`, before messages. */
  onSubscribed?(subscribed: Subscribed): void;
  /** Who comes and goes, in namespaces with `joinLeave`. */
  onPresence?(change: PresenceChange): void;
  /** The server refuses the subscription for good, at first or later. It is over. */
  onError?(error: FanwireClientError): void;
  /** Continues from this position, which the application has kept. */
  readonly since?: Position;
  /** `latest` topics: at most so many times a second. */
  readonly maxRateHz?: number;
}

/**
 * `pending`: subscribed as soon as there is a connection. `asked`: the server has been asked. `ended`: by `unsubscribe`, or because
 * the server refuses it.
 */
export type ListeningState = "pending" | "asked" | "subscribed" | "ended";

/** One topic that is listened to. */
export interface Listening {
  /** The topic's name; of the user's own one it is `user:` until the first connection. */
  readonly topic: string;
  readonly state: ListeningState;
  /** Once it is known. */
  readonly mode: Mode | undefined;
  /** Up to here `onMessage` was given everything; kept by the application, it is `since` of a later run. */
  readonly position: Position | undefined;
  /** No handler is called any more. */
  unsubscribe(): void;
}

export interface PublishOptions {
  /** What kind of message it is, up to the application. */
  readonly event?: string;
  /** `latest` topics: what the data is the newest value of. */
  readonly key?: string;
  /** `latest` topics: the key is gone. */
  readonly removed?: true;
  /** Volatile topics: false leaves this client out. */
  readonly echo?: boolean;
}

export interface ReliablePublishOptions extends PublishOptions {
  /** By default the client makes one. Give one to make a publication once even across restarts of the application. */
  readonly idempotencyKey?: string;
  /** Instead of the client's `publishTimeoutMs`. */
  readonly timeoutMs?: number;
}

export interface HistoryPage extends Position {
  /** Oldest first. */
  readonly publications: readonly PublicationItem[];
  /** There is more: after the last one, or without `since` before the first one. */
  readonly more: boolean;
}

export interface Presence {
  /** Users in the topic. */
  readonly count: number;
  /** The first of them, in the order in which they came. */
  readonly members: readonly PresentUser[];
}

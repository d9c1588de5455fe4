// The second seam: what carries publications between nodes, keeps their history and knows who is where (presence.ts); knows
// nothing of sockets. Implementations: local.ts (one node, in memory). test/contract/bridge.ts holds each to these words.

import type { Presence, PresenceEvents } from "./presence.ts";

/**
 * Where a topic stands. Offsets count a topic's publications 1, 2, 3… under an epoch, an opaque string. The epoch guards
 * against reuse: a store that lost [4, 5] and hands out 4 and 5 again does so under another epoch, so a client that saw the
 * first 5 is not told that it is up to date.
 */
export interface Position {
  readonly epoch: string;
  readonly offset: number;
}

/** A publication as it is kept and carried. `timestamp`: Unix milliseconds at the node that accepted it. */
export interface Publication {
  readonly data: unknown;
  readonly timestamp: number;
  readonly event?: string;
  /** In mode `latest`: what this is the newest value of. */
  readonly key?: string;
  /** In mode `latest`: the key is gone. */
  readonly removed?: true;
  /** The publisher; absent when the application itself published. */
  readonly userId?: string;
}

export interface PositionedPublication extends Publication {
  readonly offset: number;
}

/** What is kept of a `stream` topic. */
export interface HistoryRule {
  /** Publications kept per topic. */
  readonly size: number;
  /** How long a publication is kept. */
  readonly ttlMs: number;
  /** About how much memory a topic's publications may take. */
  readonly maxBytes: number;
}

/** What is kept of a `latest` topic: each key's newest publication, and for a while that a key was removed. */
export interface KeyedRule {
  readonly maxKeys: number;
  readonly removalTtlMs: number;
}

/** What a bridge has to know of a topic's namespace. */
export type Retention =
  | { readonly mode: "volatile" }
  | { readonly mode: "stream"; readonly history: HistoryRule }
  | { readonly mode: "latest"; readonly keyed: KeyedRule };

export interface HistoryPage extends Position {
  /** Oldest first and without holes. Its first may lie above `after + 1`: what was between is gone for good. */
  readonly publications: readonly PositionedPublication[];
}

/**
 * The calls from a bridge into its node, in the order in which things happened. They never throw.
 *
 * For a topic the node joins: after `joined` with position p, the first `deliver` begins at p.offset + 1 and each continues
 * where the last one ended, until `reset` names another position to continue from. The bridge drops doubles, fills holes from
 * history, and calls `reset` only when it cannot. In mode `latest` offsets only rise: a bridge that missed some delivers the
 * newest value of each key that changed, and what those values overtook is a hole.
 */
export interface BridgeEvents extends PresenceEvents {
  /**
   * The bridge listens: nothing of this topic published after the position is missed. An event and not what `join` resolves
   * to, because a publication may arrive before whoever waits for a promise has its turn. `values`, in mode `latest`: each
   * key's newest publication up to the position, remembered removals included, in the order of their offsets.
   * `forgottenOffset`, with them: the greatest offset of a removal of this epoch that is no longer among them, 0 where none was
   * forgotten. Who has seen less than that may know a key that is gone, and can only begin anew.
   */
  joined(
    topic: string,
    position: Position,
    values?: readonly PositionedPublication[],
    forgottenOffset?: number,
  ): void;
  deliver(topic: string, publications: readonly PositionedPublication[]): void;
  /**
   * Continuity ended. What the old epoch still owed has been delivered; what follows continues after `position`. `values`, in
   * mode `latest`: what there is now, and `forgottenOffset`, as in `joined`.
   */
  reset(
    topic: string,
    position: Position,
    values?: readonly PositionedPublication[],
    forgottenOffset?: number,
  ): void;
  /** A volatile publication of another node. A node's own relays do not come back. */
  relayed(topic: string, publication: Publication): void;
  /** Somebody asked that this user be disconnected. Asked of any node, it comes to every one, that one included. */
  disconnect(userId: string, reason: string | undefined): void;
  /** Whether the bridge is proven alive. Called on each change; a bridge begins dead and calls this before `start` resolves. */
  alive(alive: boolean): void;
}

/**
 * A bridge may be slow, may batch, and may fail: whatever gives a promise answers later, and by a deadline of the
 * bridge's own, so that nobody who waits for it needs a timer. A failure is a FanwireError: `unavailable` when nothing
 * happened, `outcome-unknown` when a publication may or may not have been accepted, `too-many` when a `latest` topic would get
 * one key too many.
 */
export interface Bridge extends Presence {
  /** Resolves when publications can be accepted. Called once, before anything else. */
  start(events: BridgeEvents): Promise<void>;
  /**
   * Begins delivery of a topic, and resolves after `joined` was called for it. A node joins a topic once; joining again after
   * `leave` is allowed at any time.
   */
  join(topic: string): Promise<void>;
  /** Ends delivery of a topic, at once. */
  leave(topic: string): void;
  /**
   * Appends to the topic's history and hands the publication to every node that joined, this one included. A bridge that has the
   * answer at once gives it at once, and throws where it fails: a promise per publication is a good part of what one costs. The publication is
   * the bridge's own from then on. Publications one
   * node makes to one topic keep the order of the calls. The publication is delivered here before the answer is there.
   *
   * `idempotencyKey`: a second publication of the topic under the same key is not made; it answers the first one's position.
   */
  publish(topic: string, publication: Publication, idempotencyKey?: string): Position | Promise<Position>;
  /** Hands a volatile publication to the other nodes that joined; at most once, nothing kept, never throws. */
  relay(topic: string, publication: Publication): void;
  /**
   * Has every node disconnect a user; `reason` is for the user. Resolves when the request is on its way to all of them, and has
   * been done here. Nodes that cannot be reached at that moment never hear of it.
   */
  disconnect(userId: string, reason: string | undefined): Promise<void>;
  /**
   * Of a `stream` topic: up to `limit` publications after offset `after`, or the newest ones when `after` is undefined, with
   * the topic's present position. The topic need not be joined. Asking for one that nobody joined or published to stores nothing:
   * its epoch may be another one the next time.
   */
  history(topic: string, after: number | undefined, limit: number): Promise<HistoryPage>;
  close(): Promise<void>;
}

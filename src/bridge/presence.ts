// The part of the second seam that knows who is in which topic, over all nodes together; knows nothing of sockets.

/** What others may be told of a user: the token's `fanwire.info`. */
export type UserInfo = Readonly<Record<string, unknown>>;

/** One session in a topic. */
export interface Member {
  readonly sessionId: string;
  readonly userId: string;
  readonly info?: UserInfo;
}

export interface TopicUser {
  readonly userId: string;
  /** As the user's newest session in the topic brought it. */
  readonly info?: UserInfo;
}

export interface PresentUser extends TopicUser {
  /** 0 between the user's last session and the end of the grace. */
  readonly sessions: number;
}

export interface PresencePage {
  /** All users in the topic. */
  readonly count: number;
  /** The first of them, in the order in which they came. */
  readonly members: readonly PresentUser[];
}

/**
 * A user's stay in a topic begins with its first session there and ends the grace after its last one went, on whatever nodes
 * they are. A session that comes within the grace, on the same or on another device, continues the stay: nothing is said.
 *
 * These events are for topics the node joined. Each stay has one `came` and one `went`, in this order, like the stays of one
 * user. `count`: the users in the topic from then on.
 */
export interface PresenceEvents {
  came(topic: string, user: TopicUser, count: number): void;
  went(topic: string, user: TopicUser, count: number): void;
}

/**
 * Nobody waits for `enter` and `exit`, and they do not fail: the bridge remembers what its node told it and makes the common
 * knowledge follow, later where it is away now. What a node that died could not tell, its lease tells by running out. Calls for
 * one topic take effect in their order.
 */
export interface Presence {
  /** A session of this node is in the topic from now on. One that is there already only brings its `info` again. */
  enter(topic: string, member: Member): void;
  /** It is not any more. One that is not there is no news. */
  exit(topic: string, sessionId: string): void;
  /**
   * Who is in a topic, joined or not; up to `limit` of them. What this node told before the call is in the answer. Answers later,
   * and fails with FanwireError `unavailable`.
   */
  present(topic: string, limit: number): Promise<PresencePage>;
}

// Who is in one topic: sessions, their users, and the grace in which a user without a session may come back. Pure; takes the
// time as argument.

import type { Member, PresencePage, PresentUser, TopicUser, UserInfo } from "../bridge/presence.ts";

interface User {
  readonly userId: string;
  info: UserInfo | undefined;
  sessions: number;
}

function describe({ userId, info }: User): TopicUser {
  return info === undefined ? { userId } : { userId, info };
}

export class MemberTable {
  readonly #graceMs: number;
  /** In the order in which they came. */
  readonly #users = new Map<string, User>();
  readonly #sessions = new Map<string, User>();
  /** Users without a session and when their last one went, in that order. */
  readonly #vacant = new Map<User, number>();

  constructor(graceMs: number) {
    this.#graceMs = graceMs;
  }

  /** How many users are there, those within the grace included. */
  get count(): number {
    return this.#users.size;
  }

  /** Whether a user's grace is running. */
  get isWaiting(): boolean {
    return this.#vacant.size > 0;
  }

  /** Answers whether a stay begins. It does not while the user's last one has not been ended by `expire`. */
  enter({ sessionId, userId, info }: Member): boolean {
    const known = this.#users.get(userId);
    const user = known ?? { userId, info, sessions: 0 };
    user.info = info;
    if (!known) this.#users.set(userId, user);
    if (this.#sessions.has(sessionId)) return false;
    this.#sessions.set(sessionId, user);
    this.#vacant.delete(user);
    user.sessions += 1;
    return !known;
  }

  exit(sessionId: string, nowMs: number): void {
    const user = this.#sessions.get(sessionId);
    if (!user) return;
    this.#sessions.delete(sessionId);
    user.sessions -= 1;
    if (user.sessions === 0) this.#vacant.set(user, nowMs);
  }

  /** Ends the stays whose grace has passed, one by one: `went` finds in `count` how many users are left. */
  expire(nowMs: number, went: (user: TopicUser) => void): void {
    for (const [user, sinceMs] of this.#vacant) {
      if (sinceMs + this.#graceMs > nowMs) return;
      this.#vacant.delete(user);
      this.#users.delete(user.userId);
      went(describe(user));
    }
  }

  page(limit: number): PresencePage {
    const members: PresentUser[] = [];
    for (const user of this.#users.values()) {
      if (members.length >= limit) break;
      members.push({ ...describe(user), sessions: user.sessions });
    }
    return { count: this.count, members };
  }
}

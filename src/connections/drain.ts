// The end of a node's connections: tells every client, lets each have its answers, and closes them at a pace. Knows nothing of
// what brought it about, nor of who is still let in.

import type { Limits } from "../config/limits.ts";
import { FanwireError } from "../errors.ts";
import type { Connection } from "./connections.ts";

export type DrainLimits = Pick<Limits, "drainCloseMs" | "drainClosesPerSecond">;

const stepMs = 50;
/** The least time that clients are asked to spread their return over. */
const leastReturnMs = 1000;

export class Drain {
  readonly #sessions: ReadonlySet<Connection>;
  readonly #limits: DrainLimits;
  readonly #leaveTopics: (session: Connection) => void;
  /** Who gets nothing new any more and is closed when everything has left for it. */
  readonly #leaving = new Set<Connection>();
  #emptied: (() => void) | undefined;

  constructor(
    sessions: ReadonlySet<Connection>,
    limits: DrainLimits,
    leaveTopics: (session: Connection) => void,
  ) {
    this.#sessions = sessions;
    this.#limits = limits;
    this.#leaveTopics = leaveTopics;
  }

  /** Throws FanwireError `draining` for whoever is only waited for: what it asked before is answered, and nothing else. */
  check(session: Connection): void {
    if (this.#leaving.has(session)) throw new FanwireError("draining", "This node is closing.");
  }

  /** The last connection has ended. */
  emptied(): void {
    this.#emptied?.();
  }

  /**
   * Tells every client, closes all of them at the pace of `drainClosesPerSecond` or faster, so that it takes at most
   * `drainCloseMs`, and resolves when they are gone or `exitMs` has passed. The pace is for the nodes that take them over. What
   * waits for a client when the process ends never leaves: a slow one, or one that is owed an answer, has up to `drainCloseMs`.
   */
  async closeAll(exitMs: number): Promise<void> {
    const sessions = [...this.#sessions];
    if (sessions.length === 0) return;
    const { drainCloseMs, drainClosesPerSecond } = this.#limits;
    const spreadMs = Math.min(drainCloseMs, (1000 * sessions.length) / drainClosesPerSecond);
    tell(sessions, Math.max(leastReturnMs, Math.round(spreadMs)));
    const emptied = new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
    const deadline = new Promise<void>((resolve) => {
      setTimeout(resolve, exitMs).unref();
    });
    await this.#dismissAll(sessions, spreadMs);
    for (const session of this.#leaving) session.close("draining");
    if (this.#sessions.size > 0) await Promise.race([emptied, deadline]);
  }

  async #dismissAll(sessions: readonly Connection[], spreadMs: number): Promise<void> {
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
    }, this.#limits.drainCloseMs);
    for (const session of sessions) if (session.behind) this.#dismiss(session);
    const steps = Math.max(1, Math.ceil(spreadMs / stepMs));
    for (let step = 0; step < steps; step++) {
      if (step > 0) await pause(spreadMs / steps);
      const share = (part: number) => Math.ceil((sessions.length * part) / steps);
      for (const session of sessions.slice(share(step), share(step + 1))) this.#dismiss(session);
    }
    while (this.#leaving.size > 0 && !isLate) {
      await pause(stepMs);
      for (const session of this.#leaving) this.#dismiss(session);
    }
    clearTimeout(late);
  }

  /** Closes a client that has all it asked for; another one gets nothing new any more, and is waited for. */
  #dismiss(session: Connection): void {
    if (session.isOver || (!session.isOwedAnswers && session.socket.bufferedBytes() === 0)) {
      this.#leaving.delete(session);
      session.close("draining");
      return;
    }
    this.#leaving.add(session);
    this.#leaveTopics(session);
  }
}

function tell(sessions: readonly Connection[], retryAfterMs: number): void {
  for (const session of sessions) {
    if (session.isWelcomed) session.announce(retryAfterMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

// Tells one Redis the news of this node's sessions, run by run: at the end of a turn, for as long as there is any. Knows no
// topics but by what is to be told of them.

import { RedisError } from "../connection.ts";
import { readReply } from "../store-reply.ts";
import { type Clock, onceATurn } from "./clock.ts";
import type { FencedLink } from "./link.ts";
import type { OwnMembers, Telling } from "./own-members.ts";

/** After Redis refused to be told something. */
const retryMs = 1000;
/** How long the last news may take when the node ends. */
const closeMs = 1000;

export class PresenceTeller {
  readonly #own: OwnMembers;
  readonly #link: FencedLink;
  readonly #clock: Clock;
  readonly #tellLater: () => void;
  #isClosed = false;
  #telling: Promise<void> | undefined;
  #stopRetry: (() => void) | undefined;

  constructor(own: OwnMembers, link: FencedLink, clock: Clock) {
    this.#own = own;
    this.#link = link;
    this.#clock = clock;
    this.#tellLater = onceATurn(clock, () => {
      if (!this.#stopRetry) void this.#tell();
    });
  }

  /** There may be news. Where it cannot be told now, the next call tells it. */
  flush(): void {
    if (this.#own.hasNews && this.#link.isConnected) this.#tellLater();
  }

  /** Tells what there is, if that can be done soon, and then nothing more. */
  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      const stopDeadline = this.#clock.after(closeMs, resolve);
      void this.#tell().then(() => {
        stopDeadline();
        resolve();
      });
    });
    this.#stopRetry?.();
    this.#isClosed = true;
  }

  #tell(): Promise<void> {
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
    return this.#telling;
  }

  async #tellAll(): Promise<void> {
    while (this.#link.isConnected && !this.#isClosed) {
      const tellings = this.#own.take(this.#link.fence);
      if (tellings.length === 0 || !(await this.#tellSome(tellings))) return;
    }
  }

  /** Answers whether to go on. */
  async #tellSome(tellings: readonly Telling[]): Promise<boolean> {
    let replies: Awaited<ReturnType<FencedLink["run"]>>;
    try {
      replies = await this.#link.run(tellings.map(({ operation }) => operation.call));
    } catch {
      this.#own.lost(tellings);
      return false;
    }
    let isFenced = false;
    for (const [index, telling] of tellings.entries()) {
      const outcome = readReply(telling.operation, replies[index]);
      const isRefused = outcome instanceof RedisError;
      isFenced ||= outcome === "fenced";
      // Refused, or pages got lost in Redis: neither is worth a loop.
      if (isRefused || (outcome === "unexpected" && telling.isReplacement)) this.#retryLater();
      this.#own.settle(telling, isRefused ? "unexpected" : outcome);
    }
    if (isFenced) this.#link.refence();
    return !isFenced && this.#stopRetry === undefined;
  }

  #retryLater(): void {
    this.#stopRetry ??= this.#clock.after(retryMs, () => {
      this.#stopRetry = undefined;
      this.flush();
    });
  }
}

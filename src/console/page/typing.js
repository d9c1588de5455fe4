// Who is typing: told to the others over a volatile topic, and forgotten after a few seconds.

import { $ } from "./elements.js";

const typingEveryMs = 2_000;
const typingShownMs = 4_000;

export class Typing {
  topic;
  #client;
  #mine;
  #typists = new Map(); // User id → the timer that forgets it.
  #typedAt = Number.NEGATIVE_INFINITY;

  /** `mine`: user ids that are this page's own. */
  constructor(client, mine) {
    this.#client = client;
    this.#mine = mine;
  }

  tell() {
    const now = performance.now();
    if (now - this.#typedAt < typingEveryMs) return;
    this.#typedAt = now;
    this.#client.send(this.topic, null, { event: "typing", echo: false });
  }

  /** What was typed has been sent: the next letter is told at once. */
  done() {
    this.#typedAt = Number.NEGATIVE_INFINITY;
  }

  hear({ topic, event, userId }) {
    if (topic !== this.topic || event !== "typing" || this.#mine.has(userId)) return;
    clearTimeout(this.#typists.get(userId));
    this.#typists.set(
      userId,
      setTimeout(() => this.clear(userId), typingShownMs),
    );
    this.#draw();
  }

  /** Forgets one typist, or all. */
  clear(userId) {
    for (const [id, timer] of this.#typists) {
      if (userId !== undefined && userId !== id) continue;
      clearTimeout(timer);
      this.#typists.delete(id);
    }
    this.#draw();
  }

  #draw() {
    const [first, ...others] = this.#typists.keys();
    const who = others.length === 0 ? `${first} is` : `${first} and ${others.length} more are`;
    $("typing").textContent = first === undefined ? "" : `${who} typing…`;
  }
}

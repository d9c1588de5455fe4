// What was written and is not in the conversation yet: pending until acknowledged, and safe to repeat.

import { $, part } from "./elements.js";
import { bubble } from "./messages.js";

/** The outcome may stay unknown, to a guest who came back under another name: it is asked for again so often. */
const mostTries = 3;

export class Outbox {
  #entries = new Map(); // By the message's id.
  #room;

  /** `room`: `topic`, `connection`, `complain(error)`, `messages`, `userId`. */
  constructor(room) {
    this.#room = room;
  }

  compose(text) {
    const id = crypto.randomUUID();
    const who = `${this.#room.userId ?? "you"} (you)`;
    const element = bubble({ data: { text }, userId: "", own: true, who, facts: "" });
    const entry = { topic: this.#room.topic, data: { id, text }, tries: 0, element };
    this.#entries.set(id, entry);
    $("outbox").append(element);
    $("hint").hidden = true;
    this.#room.messages.follow();
    void this.#publish(entry);
  }

  /** Puts what was written here into the conversation, if this is it. */
  settle(id, facts) {
    const entry = this.#entries.get(id);
    if (!entry) return false;
    mark(entry, "sent", facts);
    this.#move(id, entry);
    return true;
  }

  /** What was acknowledged under the old epoch will not arrive any more: it stays where continuity ended. */
  endContinuity() {
    for (const [id, entry] of this.#entries) if (entry.state === "accepted") this.#move(id, entry);
  }

  /** What waits to be sent still goes to its own room; what is decided has been shown there. */
  leaveRoom() {
    for (const [id, { state }] of this.#entries) if (/accepted|refused/.test(state)) this.#entries.delete(id);
  }

  #move(id, entry) {
    this.#entries.delete(id);
    this.#room.messages.append(entry.element);
  }

  async #publish(entry) {
    const { topic, data } = entry;
    const { client, isConnected } = this.#room.connection;
    mark(entry, "sending", isConnected ? "sending…" : "waits for the connection");
    try {
      const { offset } = await client.publish(topic, data, { idempotencyKey: data.id });
      if (entry.state === "sending") mark(entry, "accepted", `#${offset} · accepted`);
      if (topic !== this.#room.topic) this.#entries.delete(data.id);
      this.#room.complain(undefined);
    } catch (error) {
      if (entry.state !== "sending") return; // Its own message came first, which is proof enough.
      entry.tries += 1;
      // Whoever reads drops what comes twice under one id, so it may be published again.
      if (error.code === "outcome-unknown" && entry.tries < mostTries) return this.#publish(entry);
      mark(entry, "refused", "not sent");
      this.#offerAgain(entry);
      this.#room.complain(error);
    }
  }

  #offerAgain(entry) {
    const again = part("button", "quiet", "Send again");
    again.type = "button";
    again.addEventListener("click", () => this.#publish(entry));
    entry.element.querySelector(".facts").append(" ", again);
  }
}

function mark(entry, state, words) {
  entry.state = state;
  entry.element.classList.toggle("pending", state === "sending");
  entry.element.classList.toggle("refused", state === "refused");
  entry.element.querySelector(".facts").textContent = words;
}

// A subscriber and a publisher to try things with, on a connection of their own: frames are shown as they are.

import { Connection, Refused } from "./connection.js";
import { $, logFrame } from "./elements.js";

/** What somebody wrote cannot be sent. */
class Unusable extends Error {}

export class Try {
  #connection;
  #waiting = []; // Who waits for a connection.
  #subscription = null; // `{ topic, maxRateHz, position }`, renewed after a loss from where it was.
  #received = 0;
  #publishes = new Set(); // Ids whose answers are the publisher's.

  constructor() {
    this.#connection = new Connection(
      {
        state: (state, words) => this.#showState(state, words),
        welcome: () => this.#welcome(),
        frame: (frame) => this.#receive(frame),
        gone: (code) => this.#gone(code),
        traffic: (direction, frame) => this.#log(direction, frame),
      },
      "?join=none",
    );
    this.#listen();
  }

  /** Puts a topic into both forms. */
  choose(topic) {
    $("subscribe-topic").value = topic;
    $("publish-topic").value = topic;
    $("subscribe-since").value = "";
    $("try").scrollIntoView({ block: "start" });
    $("subscribe-topic").focus({ preventScroll: true });
  }

  #showState(state, words) {
    $("try-state").textContent = words;
    $("try-state").dataset.state = state;
    $("try-switch").hidden = false;
    $("try-switch").textContent = state === "away" ? "Connect" : "Disconnect";
    if (state === "away") for (const { reject } of this.#waiting.splice(0)) reject(new Unusable(words));
  }

  #welcome() {
    for (const { resolve } of this.#waiting.splice(0)) resolve();
    const { topic, position } = this.#subscription ?? {};
    if (topic === undefined) return;
    logFrame($("received"), "note", position ? "connected again, continuing from there" : "connected again");
    this.#subscribe().catch((error) => complain("subscribe-problem", error));
  }

  #gone(code) {
    if (this.#subscription) logFrame($("received"), "note", `the connection was lost (${code})`);
  }

  #receive(frame) {
    if (frame.type === "error") complain("subscribe-problem", new Refused(frame));
    this.#follow(frame);
  }

  /** Where the subscription stands, to continue from. */
  #follow({ topic, epoch, offset }) {
    if (topic !== this.#subscription?.topic || offset === undefined) return;
    this.#subscription.position = { epoch: epoch ?? this.#subscription.position?.epoch, offset };
  }

  #log(direction, frame) {
    if (frame.type === "publish") this.#publishes.add(frame.id);
    if (frame.type === "publish" || this.#publishes.has(frame.id)) {
      if (direction === "in") this.#publishes.delete(frame.id);
      return logFrame($("answers"), direction, frame);
    }
    if (direction === "in") {
      this.#received += 1;
      $("received-count").textContent = `${this.#received} received, newest first`;
    }
    logFrame($("received"), direction, frame);
  }

  async #connected() {
    if (this.#connection.session) return;
    const welcomed = new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    if (!this.#connection.isOpen) this.#connection.open();
    await welcomed;
  }

  async #subscribe() {
    const { topic, maxRateHz, position } = this.#subscription;
    this.#follow(await this.#connection.request({ type: "subscribe", topic, since: position, maxRateHz }));
  }

  async #replace() {
    const before = this.#subscription?.topic;
    const topic = $("subscribe-topic").value.trim();
    const wanted = { topic, position: readPosition(), maxRateHz: readRate() };
    this.#subscription = null;
    await this.#connected();
    if (before !== undefined && before !== topic) {
      await this.#connection.request({ type: "unsubscribe", topic: before });
    }
    this.#subscription = wanted;
    await this.#subscribe();
  }

  async #unsubscribe() {
    const topic = this.#subscription?.topic ?? $("subscribe-topic").value.trim();
    this.#subscription = null;
    await this.#connected();
    await this.#connection.request({ type: "unsubscribe", topic });
  }

  async #publish() {
    const frame = readPublication();
    await this.#connected();
    await this.#connection.request(frame);
  }

  #listen() {
    const does = (target, event, problem, work) => {
      $(target).addEventListener(event, (happened) => {
        happened.preventDefault();
        $(problem).textContent = "";
        work().catch((error) => complain(problem, error));
      });
    };
    does("subscribe-form", "submit", "subscribe-problem", () => this.#replace());
    does("unsubscribe", "click", "subscribe-problem", () => this.#unsubscribe());
    does("publish-form", "submit", "publish-problem", () => this.#publish());
    $("try-switch").addEventListener("click", () => {
      if (this.#connection.isOpen) this.#connection.close();
      else this.#connection.open();
    });
  }
}

function complain(place, error) {
  $(place).textContent = error.message;
}

function readPosition() {
  const text = $("subscribe-since").value.trim();
  if (text === "") return undefined;
  const [, epoch, offset] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (epoch === undefined) throw new Unusable("Since must be an epoch and an offset, such as 3f2a9c1b:17.");
  return { epoch, offset: Number(offset) };
}

function readRate() {
  const text = $("subscribe-rate").value.trim();
  if (text === "") return undefined;
  const rate = Number(text);
  if (!(rate > 0)) throw new Unusable("The rate must be a number above 0.");
  return rate;
}

function readPublication() {
  const [event, key] = [$("publish-event").value, $("publish-key").value];
  const removed = $("publish-removed").checked;
  const text = $("publish-data").value.trim();
  let data;
  try {
    data = removed && text === "" ? undefined : JSON.parse(text);
  } catch (error) {
    throw new Unusable(`The data is no JSON: ${error.message}`);
  }
  return {
    type: "publish",
    topic: $("publish-topic").value.trim(),
    data,
    ...(event !== "" && { event }),
    ...(key !== "" && { key }),
    ...(removed && { removed }),
  };
}

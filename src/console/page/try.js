// A subscriber and a publisher to try things with, on a connection of their own: frames are shown as they are.

import { Connection, inWords } from "./connection.js";
import { $, logFrame } from "./elements.js";

/** What somebody wrote cannot be sent. */
class Unusable extends Error {}

export class Try {
  #connection;
  #subscription = null;
  #received = 0;
  #publishes = new Set(); // Ids whose answers are the publisher's.

  constructor() {
    this.#connection = new Connection({
      state: (state, words) => this.#showState(state, words),
      welcome: () => this.#note("connected again", this.#subscription?.mode),
      gone: (code) => this.#note(`the connection was lost (${code})`, this.#subscription),
      error: (error) => complain("subscribe-problem", error),
      traffic: (direction, frame) => this.#log(direction, frame),
    });
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
  }

  #note(words, matters) {
    if (matters) logFrame($("received"), "note", words);
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

  #replace() {
    const wanted = readPosition();
    const maxRateHz = readRate();
    this.#subscription?.unsubscribe();
    this.#subscription = null;
    this.#connection.open();
    this.#subscription = this.#connection.client.subscribe($("subscribe-topic").value.trim(), {
      onMessage: () => undefined, // The frames are shown as they are.
      onError: (error) => complain("subscribe-problem", error),
      ...(wanted && { since: wanted }),
      ...(maxRateHz && { maxRateHz }),
    });
  }

  #unsubscribe() {
    if (!this.#subscription) throw new Unusable("Nothing is subscribed.");
    this.#subscription.unsubscribe();
    this.#subscription = null;
  }

  async #publish() {
    const { topic, data, ...options } = readPublication();
    this.#connection.open();
    await this.#connection.client.publish(topic, data, options);
  }

  #listen() {
    const does = (target, event, problem, work) => {
      $(target).addEventListener(event, (happened) => {
        happened.preventDefault();
        $(problem).textContent = "";
        Promise.resolve()
          .then(work)
          .catch((error) => complain(problem, error));
      });
    };
    does("subscribe-form", "submit", "subscribe-problem", () => this.#replace());
    does("unsubscribe", "click", "subscribe-problem", () => this.#unsubscribe());
    does("publish-form", "submit", "publish-problem", () => this.#publish());
    $("try-switch").addEventListener("click", () => {
      if (this.#connection.isClosed) this.#connection.open();
      else this.#connection.close();
    });
  }
}

function complain(place, error) {
  $(place).textContent = inWords(error);
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
    topic: $("publish-topic").value.trim(),
    data,
    ...(event !== "" && { event }),
    ...(key !== "" && { key }),
    ...(removed && { removed }),
  };
}

// The conversation as it is drawn: bubbles, notices, and a view that follows the newest unless somebody reads further up.

import { $, part } from "./elements.js";

const shownMessages = 500;
const nearEndPixels = 80;

export class Messages {
  #atEnd = true; // Who reads further up is not pulled down by what arrives.

  constructor() {
    $("newest").addEventListener("click", () => this.follow());
    $("log").addEventListener("scroll", ({ target }) => {
      this.#atEnd = target.scrollHeight - target.scrollTop - target.clientHeight < nearEndPixels;
      if (this.#atEnd) $("newest").hidden = true;
    });
    new ResizeObserver(() => this.#toEnd()).observe($("log"));
  }

  get isEmpty() {
    return $("messages").children.length === 0;
  }

  clear() {
    $("messages").replaceChildren();
    $("outbox").replaceChildren();
  }

  /** Shows the newest from now on. */
  follow() {
    this.#atEnd = true;
    this.#toEnd();
  }

  append(item) {
    const previous = $("messages").lastElementChild;
    const { sender } = item.dataset;
    item.classList.toggle("follows", sender !== undefined && previous?.dataset.sender === sender);
    $("messages").append(item);
    $("hint").hidden = true;
    if ($("messages").children.length > shownMessages) $("messages").firstElementChild.remove();
    if (!this.#atEnd) $("newest").hidden = false;
    this.#toEnd();
  }

  notice(tone, words) {
    this.append(part("li", `notice ${tone}`, "", [part("span", "", words)]));
  }

  #toEnd() {
    if (this.#atEnd) $("log").scrollTop = $("log").scrollHeight;
  }
}

/** One message. `who`: the name above it. */
export function bubble({ data, userId, own, who, facts }) {
  const item = document.createElement("li");
  item.className = own ? "message own" : "message";
  item.dataset.sender = own ? "you" : userId;
  const text = typeof data?.text === "string" ? data.text : null;
  item.append(
    part("p", "who mono", who),
    part("div", "bubble", "", [
      part("p", text === null ? "words mono" : "words", text ?? JSON.stringify(data)),
      part("span", "facts", facts),
    ]),
  );
  let hash = 0;
  for (const letter of userId) hash = (hash * 31 + letter.codePointAt(0)) % 65_521;
  item.style.setProperty("--hue", Math.round(hash * 137.5) % 360);
  return item;
}

/** What stands beside a message's words: its offset and when it was published. */
export function factsOf({ offset, timestamp }) {
  return `#${offset} · ${new Date(timestamp).toLocaleTimeString([], { timeStyle: "medium" })}`;
}

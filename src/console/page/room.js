// The view `Room`: a chat, joined at a position, so that nothing is missed and nothing shown twice.

import { Connection, Cut, Refused } from "./connection.js";
import { $, logFrame } from "./elements.js";
import { bubble, factsOf, Messages } from "./messages.js";
import { Outbox } from "./outbox.js";
import { keep } from "./secrets.js";
import { Typing } from "./typing.js";

const rememberedIds = 1_000;
const pageSize = 50;

export class Room {
  topic;
  isJoined = false; // What is written before that waits, behind what is written already.
  connection;
  messages = new Messages();
  #mine = new Set(); // Every user id this page has had: a guest gets another one with each connection.
  #seen = new Set(); // Ids of messages: one that comes again was repeated after a lost answer.
  #position = null; // Epoch and offset of the newest message shown.
  #held = null; // Messages that wait until the page of history before them is shown.
  #outbox;
  #typing;
  #latency;

  constructor(latency) {
    this.#latency = latency;
    this.connection = new Connection({
      state: (state, words) => this.#showState(state, words),
      welcome: (frame) => this.#welcome(frame),
      frame: (frame) => this.#receive(frame),
      gone: () => this.#gone(),
      traffic: (direction, frame) => logFrame($("frames"), direction, frame),
      beat: () => this.#latency.measure(),
    });
    this.#outbox = new Outbox(this);
    this.#typing = new Typing(this.connection, this.#mine);
    this.#listen();
  }

  enter(name) {
    if (this.connection.session && this.topic) {
      this.connection.send({ type: "unsubscribe", topic: this.topic });
      this.connection.send({ type: "unsubscribe", topic: this.#typing.topic });
    }
    this.#outbox.leaveRoom();
    this.topic = `room:${name}`;
    this.#typing.topic = `game:typing-${name}`;
    this.#position = null;
    this.#held = null;
    this.isJoined = false;
    this.#seen.clear();
    this.#typing.clear();
    this.messages.clear();
    $("room-name").value = name;
    $("topic").textContent = this.topic;
    $("epoch").textContent = $("offset").textContent = "–";
    this.complain(undefined);
    $("hint").hidden = true;
    const address = new URL(location);
    address.searchParams.set("room", name);
    history.replaceState(null, "", address);
    address.hash = "";
    $("second").href = address;
    if (this.connection.session) void this.#join();
  }

  /** Says what went wrong, or that nothing is wrong any more. */
  complain(error) {
    if (error === undefined) $("problem").textContent = "";
    else if (!(error instanceof Cut)) $("problem").textContent = error.message;
    else if (error.code === 1009) $("problem").textContent = "The message is too large. (too-large)";
  }

  #showState(state, words) {
    document.body.dataset.state = state;
    $("state").textContent = words;
    $("switch").textContent = { waiting: "Connect now", away: "Connect" }[state] ?? "Disconnect";
    if (state !== "online") this.#latency.pause();
  }

  #welcome(frame) {
    this.#mine.add(frame.userId);
    $("user-id").textContent = frame.userId;
    $("session-id").textContent = frame.sessionId;
    $("node-id").textContent = frame.nodeId;
    void this.#join();
  }

  #gone() {
    this.isJoined = false;
    this.#held = null;
    this.#typing.clear();
  }

  #receive(frame) {
    if (frame.type === "message") this.#hear(frame);
    else if (frame.type === "reset") this.#restart(frame);
    else if (frame.type === "error") this.complain(new Refused(frame));
  }

  #hear(frame) {
    if (frame.topic === this.topic) this.#held ? this.#held.push(frame) : this.#show(frame);
    else if (/^(user|broadcast):/.test(frame.topic)) {
      this.messages.notice("", `${frame.topic} ${JSON.stringify(frame.data)}`);
    } else this.#typing.hear(frame);
  }

  #restart(frame) {
    if (frame.topic !== this.topic || this.#held) return; // While history is read, what it says of the position counts.
    this.#endContinuity();
    this.#moveTo(frame);
  }

  /**
   * Subscribes since the last message shown. What was missed comes with the answer; where there is no such message
   * yet, or history does not reach back to it, the newest of what is kept is read instead.
   */
  async #join() {
    const joining = this.topic;
    try {
      await this.#subscribe(joining);
      if (joining !== this.topic) return;
      $("hint").hidden = !this.messages.isEmpty;
      await this.connection.request({ type: "subscribe", topic: this.#typing.topic });
    } catch (error) {
      this.complain(error);
    }
    if (joining !== this.topic || !this.connection.session) return;
    this.isJoined = true;
    this.#outbox.flush();
  }

  async #subscribe(topic) {
    const since = this.#position ?? undefined;
    const joined = await this.connection.request({ type: "subscribe", topic, since });
    if (topic !== this.topic) return;
    if (joined.recovered) {
      const { length } = joined.publications;
      this.messages.notice("good", length === 0 ? "back: nothing was missed" : `recovered ${length} missed`);
      for (const publication of joined.publications) this.#show(publication);
      this.#moveTo(joined);
    } else {
      if (since) this.#endContinuity();
      if (since?.epoch !== joined.epoch) this.#moveTo({ epoch: joined.epoch, offset: 0 });
      await this.#readHistory();
    }
  }

  async #readHistory() {
    const newer = []; // What arrives meanwhile comes after the page, or stands on it.
    this.#held = newer;
    try {
      const page = await this.connection.request({ type: "history", topic: this.topic, limit: pageSize });
      if (this.#held !== newer) return;
      if (page.epoch !== this.#position.epoch) this.#moveTo({ epoch: page.epoch, offset: 0 });
      $("log").ariaBusy = "true"; // A screen reader reads what arrives, not the whole history.
      for (const publication of page.publications) this.#show(publication);
      $("log").ariaBusy = "false";
      this.#moveTo(page);
    } finally {
      if (this.#held === newer) {
        this.#held = null;
        for (const publication of newer) this.#show(publication);
      }
    }
  }

  #moveTo({ epoch, offset }) {
    this.#position = { epoch, offset };
    $("epoch").textContent = epoch;
    $("offset").textContent = offset;
  }

  #endContinuity() {
    this.#outbox.endContinuity();
    this.messages.notice("warn", "reset: history did not reach");
  }

  #show(publication) {
    const { data, userId, offset } = publication;
    if (offset <= this.#position.offset) return;
    this.#moveTo({ epoch: this.#position.epoch, offset });
    this.#typing.clear(userId ?? "");
    if (this.#isRepeated(data?.id)) return;
    const facts = factsOf(publication);
    const own = this.#mine.has(userId);
    if (own && this.#outbox.settle(data?.id, facts)) return;
    const name = userId ?? "server";
    this.messages.append(bubble({ data, userId: name, own, who: own ? `${name} (you)` : name, facts }));
  }

  #isRepeated(id) {
    if (id === undefined) return false;
    if (this.#seen.has(id)) return true;
    this.#seen.add(id);
    if (this.#seen.size > rememberedIds) this.#seen.delete(this.#seen.values().next().value);
    return false;
  }

  #listen() {
    $("room-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.enter($("room-name").value.trim());
      document.title = `${$("room-name").value} · fanwire`;
    });
    $("write").addEventListener("submit", (event) => {
      event.preventDefault();
      const text = $("text").value.trim();
      if (text !== "") this.#outbox.compose(text);
      $("text").value = "";
      this.#typing.done();
    });
    $("text").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      $("write").requestSubmit();
    });
    $("text").addEventListener("input", () => this.#typing.tell());
    $("switch").addEventListener("click", () => {
      this.connection.isOpen ? this.connection.close() : this.connection.renew();
    });
    $("fresh").addEventListener("click", () => this.connection.renew());
    $("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      keep("token", $("token").value.trim());
      $("token").value = "";
      this.connection.renew();
    });
  }
}

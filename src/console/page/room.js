// The view `Room`: a chat, joined at a position, so that nothing is missed and nothing shown twice.

import { Connection, inWords } from "./connection.js";
import { $, logFrame } from "./elements.js";
import { bubble, factsOf, Messages } from "./messages.js";
import { Outbox } from "./outbox.js";
import { keep } from "./secrets.js";
import { Typing } from "./typing.js";

const rememberedIds = 1_000;
const pageSize = 50;

export class Room {
  topic;
  userId; // As the last connection had it.
  connection;
  messages = new Messages();
  #mine = new Set(); // Every user id this page has had: a guest gets another one with each connection.
  #seen = new Set(); // Ids of messages: one that comes again was repeated after a lost answer.
  #subscriptions = []; // Of the room, and of who types there.
  #position = null; // Epoch and offset of the newest message shown.
  #held = null; // Messages that wait until the page of history before them is shown.
  #outbox;
  #typing;
  #latency;

  constructor(latency) {
    this.#latency = latency;
    this.connection = new Connection({
      state: (state, words) => this.#showState(state, words),
      welcome: (state) => this.#welcome(state),
      gone: () => this.#typing.clear(),
      error: (error) => this.complain(error),
      traffic: (direction, frame) => logFrame($("frames"), direction, frame),
      beat: () => this.#latency.measure(),
    });
    this.#outbox = new Outbox(this);
    this.#typing = new Typing(this.connection.client, this.#mine);
    const notice = ({ topic, data }) => this.messages.notice("", `${topic} ${JSON.stringify(data)}`);
    this.connection.client.subscribeUser({ onMessage: notice });
    this.connection.client.subscribe("broadcast:all", { onMessage: notice });
    this.#listen();
  }

  enter(name) {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
    this.#outbox.leaveRoom();
    this.topic = `room:${name}`;
    this.#typing.topic = `game:typing-${name}`;
    this.#position = null;
    this.#held = null;
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
    this.#join();
  }

  /** Says what went wrong, or that nothing is wrong any more. */
  complain(error) {
    if (error === undefined) $("problem").textContent = "";
    else if (error.code !== "closed") $("problem").textContent = inWords(error); // Who closed it knows.
  }

  #showState(state, words) {
    document.body.dataset.state = state;
    $("state").textContent = words;
    $("switch").textContent = { waiting: "Connect now", away: "Connect" }[state] ?? "Disconnect";
    if (state !== "online") this.#latency.pause();
  }

  #welcome({ userId, sessionId, nodeId }) {
    this.userId = userId;
    this.#mine.add(userId);
    $("user-id").textContent = userId;
    $("session-id").textContent = sessionId;
    $("node-id").textContent = nodeId;
  }

  #join() {
    const { client } = this.connection;
    const onError = (error) => this.complain(error);
    this.#subscriptions = [
      client.subscribe(this.topic, {
        onMessage: (message) => (this.#held ? this.#held.push(message) : this.#show(message)),
        onSubscribed: (subscribed) => this.#joined(subscribed),
        onReset: (reset) => this.#restart(reset),
        onError,
      }),
      client.subscribe(this.#typing.topic, { onMessage: (message) => this.#typing.hear(message), onError }),
    ];
  }

  /** What was missed follows. Where that cannot be known, the newest of what is kept is read. */
  #joined({ recovered, position }) {
    if (recovered && this.#position) {
      const missed = position.offset - this.#position.offset;
      this.messages.notice("good", missed === 0 ? "back: nothing was missed" : `recovered ${missed} missed`);
    } else {
      this.#beginAt(position);
    }
    $("hint").hidden = !this.messages.isEmpty;
  }

  async #readHistory(topic) {
    const newer = []; // What arrives meanwhile comes after the page, or stands on it.
    this.#held = newer;
    try {
      const page = await this.connection.client.history(topic, { limit: pageSize });
      if (this.#held !== newer) return;
      if (page.epoch !== this.#position.epoch) this.#moveTo({ epoch: page.epoch, offset: 0 });
      $("log").ariaBusy = "true"; // A screen reader reads what arrives, not the whole history.
      for (const publication of page.publications) this.#show(publication);
      $("log").ariaBusy = "false";
      this.#moveTo(page);
      $("hint").hidden = !this.messages.isEmpty;
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

  #restart(position) {
    this.#outbox.endContinuity();
    this.messages.notice("warn", "reset: history did not reach");
    this.#beginAt(position);
  }

  /** Reads what history has of it, unless that is under way. */
  #beginAt({ epoch }) {
    if (this.#position?.epoch !== epoch) this.#moveTo({ epoch, offset: 0 });
    if (!this.#held) this.#readHistory(this.topic).catch((error) => this.complain(error));
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
      const { state } = this.connection.client.state;
      if (state === "closed" || state === "waiting") this.connection.open();
      else this.connection.close();
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

// A connection of protocol 1: opened, watched, lost, and opened again as the close code says. Knows no topics and no elements.

import { settings } from "./elements.js";
import { recall } from "./secrets.js";

const watchEveryMs = 2_000;
const silenceLimitMs = 10_000; // So long without a frame: the link is dead, whatever the browser says.
const stableAfterMs = 5_000; // A connection that lived this long forgives the failures before it.
const firstDelayMs = 500;
const longestDelayMs = 15_000;

// What the protocol asks of a client after each close code. One that is not listed here: back off.
const afterClose = {
  1006: "at once",
  1008: "once",
  1009: "at once",
  1011: "at once",
  1012: "announced",
  1013: "back off",
  4000: "never",
  4001: "at once",
  4002: "at once",
  4003: "back off",
  4004: "never",
  4005: "at once",
};

/** The connection went away before the answer came: what was asked may or may not have happened. */
export class Cut extends Error {
  constructor(code) {
    super("The connection was lost before the answer came.");
    this.code = code;
  }
}

/** What the server answered with an `error` frame. */
export class Refused extends Error {
  constructor(frame) {
    super(`${frame.message} (${frame.code})`);
  }
}

export class Connection {
  session = null; // The `connected` frame, while connected.
  #query;
  #on;
  #socket = null; // The one that counts: events of any other come too late and are ignored.
  #requests = new Map();
  #lastId = 0;
  #attempt = 0;
  #unauthorized = 0;
  #announcedMs = longestDelayMs;
  #heardAt = 0;
  #retryTimer;
  #stableTimer;
  #waitsForNetwork = false;

  /**
   * `on`: what to tell. `state(state, words)`, state being `connecting`, `online`, `waiting` or `away`; `welcome(frame)`;
   * `frame(frame)`, any but answers; `gone(code)`; `traffic(direction, frame)`, every frame but pings; `beat()`, every two
   * seconds while connected. `query`: of the socket's address.
   */
  constructor(on, query = "") {
    this.#on = on;
    this.#query = query;
    setInterval(() => this.#watch(), watchEveryMs);
    addEventListener("online", () => {
      if (this.#waitsForNetwork) this.open();
    });
  }

  get isOpen() {
    return this.#socket !== null;
  }

  open() {
    clearTimeout(this.#retryTimer);
    this.#waitsForNetwork = false;
    this.#announcedMs = longestDelayMs;
    this.#heardAt = performance.now();
    const token = recall("token");
    if (settings.has("token") && token === undefined)
      return this.#on.state("away", "A token is needed to connect");
    this.#on.state("connecting", "Connecting…");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const bearer = token === undefined ? [] : [`bearer.${token}`];
    const protocols = ["fanwire.v1.json", ...bearer];
    const opened = new WebSocket(`${scheme}://${location.host}/ws${this.#query}`, protocols);
    this.#socket = opened;
    opened.addEventListener("message", ({ data }) => {
      if (this.#socket === opened) this.#receive(JSON.parse(data));
    });
    opened.addEventListener("close", ({ code, reason }) => {
      if (this.#socket === opened) this.#lost(code, reason);
    });
  }

  close() {
    clearTimeout(this.#retryTimer);
    this.#waitsForNetwork = false;
    this.#abandon(1000, "");
    this.#on.state("away", "Disconnected");
  }

  /** Closes and opens again, as somebody new. */
  renew() {
    this.#unauthorized = 0;
    this.#abandon(1000, "");
    this.open();
  }

  send(frame) {
    if (frame.type !== "ping") this.#on.traffic?.("out", frame);
    this.#socket.send(JSON.stringify(frame));
  }

  /** Resolves to the `ok` or `pong`, in the turn of that frame: whatever follows it is handled afterwards. */
  request(frame) {
    if (!this.session) return Promise.reject(new Cut(1006));
    this.#lastId += 1;
    this.send({ ...frame, id: this.#lastId });
    return new Promise((resolve, reject) => this.#requests.set(this.#lastId, { resolve, reject }));
  }

  #receive(frame) {
    this.#heardAt = performance.now();
    if (frame.type !== "pong") this.#on.traffic?.("in", frame);
    const asked = this.#requests.get(frame.id);
    if (asked) {
      this.#requests.delete(frame.id);
      return frame.type === "error" ? asked.reject(new Refused(frame)) : asked.resolve(frame);
    }
    if (frame.type === "connected") this.#welcome(frame);
    else if (frame.type === "closing") this.#announcedMs = frame.retryAfterMs;
    else this.#on.frame(frame);
  }

  #welcome(frame) {
    this.session = frame;
    this.#unauthorized = 0;
    this.#stableTimer = setTimeout(() => {
      this.#attempt = 0;
    }, stableAfterMs);
    this.#on.state("online", `Connected as ${frame.userId}`);
    this.#on.welcome(frame);
    this.#on.beat?.();
  }

  /** Drops the socket without waiting for the peer's close frame: a dead peer sends none. */
  #abandon(code, reason) {
    const dropped = this.#socket;
    if (!dropped) return;
    this.#socket = null;
    dropped.close(code, reason);
    this.#forget(code);
  }

  #forget(code) {
    this.#socket = null;
    this.session = null;
    clearTimeout(this.#stableTimer);
    for (const { reject } of this.#requests.values()) reject(new Cut(code));
    this.#requests.clear();
    this.#on.gone(code);
  }

  #lost(code, reason) {
    this.#forget(code);
    const delayMs = this.#delayAfter(code);
    this.#attempt += 1;
    const what = `${navigator.onLine ? "Connection lost" : "Offline"} (${reason || code})`;
    if (delayMs === null) return this.#on.state("away", `${what}. The server asked not to come back`);
    this.#waitsForNetwork = code === 1006 || code === 4005;
    this.#retryTimer = setTimeout(() => this.open(), delayMs);
    const when = delayMs < 1_000 ? "…" : ` in ${Math.ceil(delayMs / 1_000)} s`;
    this.#on.state("waiting", `${what}. Coming back${when}`);
  }

  #delayAfter(code) {
    const rule = afterClose[code] ?? "back off";
    if (rule === "never") return null;
    if (rule === "once") return this.#unauthorized++ === 0 ? 0 : null;
    if (rule === "announced") return Math.random() * this.#announcedMs;
    if (rule === "at once") return this.#attempt === 0 ? 0 : backOff(this.#attempt - 1);
    return backOff(this.#attempt);
  }

  #watch() {
    if (!this.#socket) return;
    if (performance.now() - this.#heardAt > silenceLimitMs) {
      this.#abandon(4005, "heartbeat-timeout");
      this.#lost(4005, "heartbeat-timeout");
    } else if (this.session) {
      if (this.#on.beat) this.#on.beat();
      else this.request({ type: "ping" }).catch(() => undefined);
    }
  }
}

/** Full jitter: any moment up to a bound that doubles, so that a thousand clients do not return together. */
function backOff(failures) {
  return Math.random() * Math.min(longestDelayMs, firstDelayMs * 2 ** failures);
}

// The client as this page uses it: with the token of the tab, its states in words, its traffic to look at. Knows no topics.

import { Client } from "./client.js";
import { settings } from "./elements.js";
import { recall } from "./secrets.js";

const beatEveryMs = 2_000;
/** A person looks at this page: a dead link is noticed sooner than usual. */
const silenceLimitMs = 5_000;

export class Connection {
  client = new Client("/ws", {
    token: () => recall("token"),
    heartbeatMs: silenceLimitMs,
    heartbeatTimeoutMs: silenceLimitMs,
  });
  #on;

  /**
   * `on`: what to tell. `state(state, words)`, state being `connecting`, `online`, `waiting` or `away`; `welcome(state)`, the
   * client's own; `gone(code)`; `traffic(direction, frame)`, every frame but pings; `error(error)`; `beat()`, every two
   * seconds while connected.
   */
  constructor(on) {
    this.#on = on;
    this.client.on("state", (state) => this.#show(state));
    this.client.on("error", (error) => on.error?.(error));
    this.client.on("traffic", ({ direction, frame }) => {
      if (frame.type !== "ping" && frame.type !== "pong") on.traffic(direction, frame);
    });
    setInterval(() => {
      if (this.isConnected) on.beat?.();
    }, beatEveryMs);
  }

  get isConnected() {
    return this.client.state.state === "connected";
  }

  get isClosed() {
    return this.client.state.state === "closed";
  }

  open() {
    if (settings.has("token") && recall("token") === undefined)
      return this.#on.state("away", "A token is needed to connect");
    this.client.connect();
  }

  close() {
    this.client.close();
  }

  /** Closes and opens again, as somebody new. */
  renew() {
    this.client.close();
    this.open();
  }

  #show(state) {
    if (state.state === "connecting") return this.#on.state("connecting", "Connecting…");
    if (state.state === "connected") {
      this.#on.state("online", `Connected as ${state.userId}`);
      this.#on.welcome(state);
      return this.#on.beat?.();
    }
    this.#on.gone(state.code);
    const what = `${navigator.onLine ? "Connection lost" : "Offline"} (${state.reason || state.code})`;
    if (state.state === "waiting") {
      const seconds = Math.ceil(state.retryInMs / 1_000);
      const when = state.retryInMs < 1_000 ? "…" : ` in ${seconds} s`;
      this.#on.state("waiting", `${what}. Coming back${when}`);
    } else if (state.code === 1000) this.#on.state("away", "Disconnected");
    else this.#on.state("away", `${what}. The server asked not to come back`);
  }
}

/** What went wrong, for a person: the server's sentence and its code. */
export function inWords({ message, code }) {
  return code === undefined ? message : `${message} (${code})`;
}

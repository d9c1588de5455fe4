// One socket, from its opening to its end: greeted in time, watched, and said to be over exactly once. Knows no topics, no tokens.

import type { ConnectedFrame, ServerFrame } from "../wire/frames.ts";
import type { Environment, WebSocketLike } from "./environment.ts";
import type { ClientFormat } from "./format.ts";
import { Heartbeat } from "./heartbeat.ts";

export interface TransportOptions {
  readonly environment: Environment;
  readonly url: string;
  readonly token: string | undefined;
  readonly format: ClientFormat;
  /** At most; the server may ask for less. */
  readonly heartbeatMs: number;
  readonly heartbeatTimeoutMs: number;
}

export interface TransportEvents {
  connected(frame: ConnectedFrame): void;
  /** Any other frame. */
  frame(frame: ServerFrame): void;
  /** Not for an end that was asked for. */
  ended(code: number, reason: string): void;
}

export class Transport {
  readonly #options: TransportOptions;
  readonly #events: TransportEvents;
  readonly #socket: WebSocketLike;
  #heartbeat: Heartbeat | undefined;
  #isOver = false;

  constructor(options: TransportOptions, events: TransportEvents) {
    this.#options = options;
    this.#events = events;
    const { environment, url, token, format } = options;
    const protocols = token === undefined ? [] : [`bearer.${token}`];
    this.#socket = new environment.WebSocket(url, [format.subprotocol, ...protocols]);
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code, reason }) => this.#end(code, reason);
    // What is wrong the close event says, as far as browsers let scripts know. But Node.js 22 has none for a connection that did not
    // come about, and nobody is to wait for the deadline of a try that has failed.
    this.#socket.onerror = () => {
      if (!this.#heartbeat) this.#end(1006, "");
    };
  }

  /** Bytes that wait for the network. */
  get bufferedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  send(message: string | Uint8Array): void {
    if (!this.#isOver) this.#socket.send(message);
  }

  /** Asks the peer for a sign of life at once. */
  probe(): void {
    this.#heartbeat?.probe();
  }

  /** Ends it without a further word to whoever listens: a dead peer sends no close frame, so none is waited for. */
  close(code = 1000, reason = ""): void {
    this.#isOver = true;
    this.#heartbeat?.stop();
    this.#socket.close(code, reason);
  }

  #receive(data: unknown): void {
    if (this.#isOver) return;
    this.#heartbeat?.heard();
    let frame: ServerFrame;
    try {
      frame = this.#options.format.decode(data) as ServerFrame;
      frame.type; // Throws where it is null.
    } catch {
      // Perhaps something in between that speaks no WebSocket: 1002 may not be sent by scripts, but it is what happened.
      this.close(4004, "protocol-error");
      return void this.#events.ended(1002, "protocol-error");
    }
    if (frame.type !== "connected" || this.#heartbeat) return void this.#events.frame(frame);
    this.#watch(frame.heartbeatMs);
    this.#events.connected(frame);
  }

  #watch(serversHeartbeatMs: number): void {
    const { environment, heartbeatMs, heartbeatTimeoutMs } = this.#options;
    this.#heartbeat = new Heartbeat({
      clock: environment.clock,
      intervalMs: Math.min(heartbeatMs, serversHeartbeatMs),
      timeoutMs: heartbeatTimeoutMs,
      ask: () => this.send(this.#options.format.encode({ type: "ping" })),
      dead: () => {
        this.close(4005, "heartbeat-timeout");
        this.#events.ended(4005, "heartbeat-timeout");
      },
    });
  }

  #end(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#heartbeat?.stop();
    this.#events.ended(code, reason);
  }
}

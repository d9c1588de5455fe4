// A client on a stage: virtual time, chance that is not, and sockets whose other ends the test holds.

import { type ClientOptions, type ClientState, createClient } from "../../src/client/client.ts";
import { type FakeSocket, fakeWebSocket } from "./fake-socket.ts";
import { VirtualClock } from "./virtual-clock.ts";

export type Sent = Record<string, unknown> & { readonly type: string; readonly id?: number };

export class Stage {
  readonly clock = new VirtualClock();
  readonly sockets: FakeSocket[] = [];
  /** What the client sent, on all its sockets. */
  readonly sent: Sent[] = [];
  readonly states: ClientState[] = [];
  readonly errors: Error[] = [];
  readonly client;
  /** What chance says, from 0 to 1. */
  chance = 1;
  /** Added to the clock: what passes while the machine sleeps, and no timer runs. */
  sleptMs = 0;

  constructor(options: ClientOptions = {}) {
    const WebSocket = fakeWebSocket((socket) => {
      this.sockets.push(socket);
      socket.served = (frame) => this.sent.push(frame as Sent);
    });
    const clock = { now: () => this.clock.now() + this.sleptMs, after: this.clock.after };
    this.client = createClient("ws://stage/ws", { WebSocket, clock, random: () => this.chance, ...options });
    this.client.on("state", (state) => this.states.push(state));
    this.client.on("error", (error) => this.errors.push(error));
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  get state(): ClientState {
    return this.client.state;
  }

  /** Frames of this type that were sent so far. */
  framesOf(type: string): Sent[] {
    return this.sent.filter((frame) => frame.type === type);
  }

  welcome(fields: object = {}): void {
    const about = { sessionId: "s", userId: "ann", nodeId: "n", heartbeatMs: 25_000, protocol: 1 };
    this.socket.tell({
      type: "connected",
      ...about,
      timestamp: this.clock.now(),
      subscriptions: [],
      ...fields,
    });
  }

  /** Answers the newest frame of this type. */
  answer(type: string, fields: object = {}): void {
    this.socket.tell({ type: "ok", id: this.framesOf(type).at(-1)!.id, ...fields });
  }

  refuse(type: string, code: string, retryable = false): void {
    const id = this.framesOf(type).at(-1)!.id;
    this.socket.tell({ type: "error", id, code, message: `It is ${code}.`, retryable });
  }

  /** Waits for the next try, and welcomes it. */
  async back(fields: object = {}): Promise<void> {
    const before = this.sockets.length;
    while (this.sockets.length === before) await this.clock.advance(100);
    this.welcome(fields);
  }
}

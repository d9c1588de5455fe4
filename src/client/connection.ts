// Keeps one connection alive: tokens, tries, pauses, and the rules of the close codes. Knows no topics and no publications.

import type {
  ClientFrame,
  ConnectedFrame,
  ErrorFrame,
  OkFrame,
  PongFrame,
  ServerFrame,
} from "../wire/frames.ts";
import { comebackMs, pauseMs } from "./backoff.ts";
import { comebackAfter } from "./close-codes.ts";
import { type Environment, onOnline } from "./environment.ts";
import type { ClientFormat } from "./format.ts";
import type { ClientOptions, ClientState, TokenReason } from "./options.ts";
import { TokenRefresh } from "./token-refresh.ts";
import { Transport } from "./transport.ts";

export type Answer = OkFrame | PongFrame | ErrorFrame;
/** A client's frame before it has its `id`. */
export type Unnumbered = ClientFrame extends infer Frame
  ? Frame extends unknown
    ? Omit<Frame, "id">
    : never
  : never;

/** A frame with its `id`, encoded. */
export interface Question {
  readonly id: number;
  readonly frame: ClientFrame;
  readonly message: string | Uint8Array;
}

export interface ConnectionEvents {
  state(state: ClientState): void;
  connected(frame: ConnectedFrame): void;
  /** Any frame but answers. */
  frame(frame: ServerFrame): void;
  /** The connection is gone, and no answer comes any more. `code` as in a close event. */
  lost(code: number): void;
  error(error: Error): void;
  traffic(direction: "in" | "out", frame: ClientFrame | ServerFrame): void;
  /** The new token no longer grants these topics. */
  left(topics: readonly string[]): void;
}

/** A node that closes with 1012 and was cut before it could say how long. */
const unannouncedMs = 2_500;

/**
 * The states, and what leads from one to the next:
 *
 *     closed ──── connect() ───► connecting ───── greeted ────► connected
 *       ▲                         ▲      │                          │
 *       │                    pause│over, │ refused, cut, silent,    │ closed, cut, silent
 *       │                  online,│or    │ or too slow              │
 *       │                connect()│      ▼                          │
 *       ├── the rule says so ─── waiting ◄──────────────────────────┘
 *       └── close(), from any state
 *
 * A try is one stay in `connecting` and `connected`. Whatever comes late from an earlier one is ignored.
 */
export class Connection {
  readonly #environment: Environment;
  readonly #url: string;
  readonly #format: ClientFormat;
  readonly #options: ClientOptions;
  readonly #events: ConnectionEvents;
  readonly #refresh: TokenRefresh | undefined;
  readonly #answers = new Map<number, (answer: Answer) => void>();
  #state: ClientState = { state: "closed", code: 1000, reason: "" };
  #transport: Transport | undefined;
  /** Changes with each try and each end of one. */
  #try = 0;
  #lastId = 0;
  #failures = 0;
  #refusals = 0;
  #connectedAtMs: number | undefined;
  #announcedMs: number | undefined;
  /** Takes back the deadline of a try, or the pause before one. */
  #stopTimer: () => void = () => undefined;
  #stopListening: () => void = () => undefined;

  constructor(
    environment: Environment,
    url: string,
    format: ClientFormat,
    options: ClientOptions,
    events: ConnectionEvents,
  ) {
    this.#environment = environment;
    this.#url = url;
    this.#format = format;
    this.#options = options;
    this.#events = events;
    const { token } = options;
    if (typeof token === "function") {
      this.#refresh = new TokenRefresh(environment, this, events, async () => token("refresh"));
    }
  }

  get state(): ClientState {
    return this.#state;
  }

  get bufferedBytes(): number {
    return this.#transport?.bufferedBytes ?? 0;
  }

  /** Opens, or ends a pause. */
  connect(): void {
    const { state } = this.#state;
    if (state === "connecting" || state === "connected") return;
    if (state === "closed") {
      this.#failures = 0;
      this.#refusals = 0;
      this.#stopListening = onOnline(() => this.#foundNetwork());
    }
    this.#open(this.#refusals > 0 ? "refused" : "connect");
  }

  close(code = 1000, reason = ""): void {
    if (this.#state.state === "closed") return;
    this.#stopListening();
    this.#drop(code);
    this.#become({ state: "closed", code, reason });
  }

  /** Only while connected. Throws where the frame cannot be encoded. */
  send(frame: ClientFrame): void {
    this.#transport?.send(this.#format.encode(frame));
    this.#events.traffic("out", frame);
  }

  /** A frame that can be asked on any connection: as it is now, whatever becomes of its data. Throws where it cannot be encoded. */
  prepare(unnumbered: Unnumbered): Question {
    const id = this.#lastId + 1;
    const frame = { ...unnumbered, id } as ClientFrame;
    const question = { id, frame, message: this.#format.encode(frame) };
    this.#lastId = id;
    return question;
  }

  /**
   * Only while connected. `done` is called in the turn of the answer, before any frame behind it, and never once the connection
   * is lost.
   */
  ask({ id, frame, message }: Question, done: (answer: Answer) => void): void {
    this.#answers.set(id, done);
    this.#transport?.send(message);
    this.#events.traffic("out", frame);
  }

  /** Nobody waits for this answer any more. */
  forget(id: number): void {
    this.#answers.delete(id);
  }

  #open(reason: TokenReason): void {
    this.#stopTimer();
    this.#try += 1;
    const current = this.#try;
    const { clock } = this.#environment;
    const { connectTimeoutMs = 10_000 } = this.#options;
    this.#stopTimer = clock.after(connectTimeoutMs, () => this.#lost(current, 1006, "connect-timeout"));
    this.#become({ state: "connecting" });
    const { token } = this.#options;
    if (typeof token !== "function") return void this.#dial(current, token);
    // Through a promise also where it throws at once.
    new Promise<string>((resolve) => resolve(token(reason))).then(
      (got) => this.#dial(current, got),
      (error) => {
        if (current !== this.#try) return;
        this.#events.error(error instanceof Error ? error : new Error(String(error)));
        this.#lost(current, 1006, "no-token");
      },
    );
  }

  #dial(current: number, token: string | undefined): void {
    if (current !== this.#try) return;
    const { heartbeatMs = 15_000, heartbeatTimeoutMs = 10_000 } = this.#options;
    const [environment, url, format] = [this.#environment, this.#url, this.#format];
    try {
      this.#transport = new Transport(
        { environment, url, token, format, heartbeatMs, heartbeatTimeoutMs },
        {
          connected: (frame) => this.#welcome(frame),
          frame: (frame) => this.#receive(frame),
          ended: (code, reason) => this.#lost(current, code, reason),
        },
      );
    } catch (error) {
      // An address or a token that no WebSocket takes: another try would end as this one did.
      this.#events.error(error as Error);
      this.close(1006, String(error));
    }
  }

  #welcome(frame: ConnectedFrame): void {
    const { userId, sessionId, nodeId } = frame;
    this.#stopTimer();
    this.#connectedAtMs = this.#environment.clock.now();
    this.#announcedMs = undefined;
    this.#refusals = 0;
    this.#events.traffic("in", frame);
    this.#refresh?.begin(frame);
    this.#become({ state: "connected", userId, sessionId, nodeId });
    // Whoever heard of it may have closed the client.
    if (this.#state.state === "connected") this.#events.connected(frame);
  }

  #receive(frame: ServerFrame): void {
    this.#events.traffic("in", frame);
    const { id } = frame as Answer;
    const done = id === undefined ? undefined : this.#answers.get(id);
    if (done) {
      this.#answers.delete(id!);
      return void done(frame as Answer);
    }
    if (frame.type === "closing") this.#announcedMs = frame.retryAfterMs;
    this.#events.frame(frame);
  }

  #lost(current: number, code: number, reason: string): void {
    if (current !== this.#try) return;
    const { clock } = this.#environment;
    const { stableAfterMs = 5_000 } = this.#options;
    const livedMs = this.#connectedAtMs === undefined ? 0 : clock.now() - this.#connectedAtMs;
    if (livedMs >= stableAfterMs) this.#failures = 0;
    const retryInMs = this.#pauseAfter(code);
    if (retryInMs === undefined) return void this.close(code, reason);
    this.#failures += 1;
    this.#drop(code);
    const why = code === 1008 || code === 4001 ? "refused" : "connect";
    this.#stopTimer = clock.after(retryInMs, () => this.#open(why));
    this.#become({ state: "waiting", code, reason, retryInMs });
  }

  /** Undefined: the client stays away. */
  #pauseAfter(code: number): number | undefined {
    const { random } = this.#environment;
    const early = comebackMs(this.#failures, random);
    const hasNewToken = this.#refresh !== undefined;
    const rule = this.#announcedMs === undefined ? comebackAfter(code) : "announced";
    if (rule === "never") return undefined;
    if (rule === "back-off") return pauseMs(this.#failures + 1, random);
    if (rule === "announced") return Math.max(early, random() * (this.#announcedMs ?? unannouncedMs));
    if (rule === "new-token") return hasNewToken ? early : undefined;
    if (rule === "new-token-once") return hasNewToken && this.#refusals++ === 0 ? early : undefined;
    return early;
  }

  /** Ends the try there is. Nothing of it is heard any more. */
  #drop(code: number): void {
    const wasConnected = this.#connectedAtMs !== undefined;
    this.#try += 1;
    this.#stopTimer();
    this.#refresh?.end();
    this.#transport?.close();
    this.#transport = undefined;
    this.#connectedAtMs = undefined;
    this.#announcedMs = undefined;
    this.#answers.clear();
    if (wasConnected) this.#events.lost(code);
  }

  #become(state: ClientState): void {
    this.#state = state;
    this.#events.state(state);
  }

  #foundNetwork(): void {
    if (this.#state.state === "connected") this.#transport?.probe();
    else this.connect();
  }
}

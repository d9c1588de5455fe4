// Renews a connection's token before it expires, by the server's clock. Knows neither sockets nor what is in a token.

import type { ConnectedFrame, OkFrame } from "../wire/frames.ts";
import { pauseMs } from "./backoff.ts";
import type { Connection, ConnectionEvents } from "./connection.ts";
import type { Environment } from "./environment.ts";
import { refusal } from "./error.ts";

/** A token is renewed this long before its end, or a third of what is left of it where that is less; less still by chance. */
const marginMs = 60_000;
/** Not sooner, whatever the token: one that expires at once must not be renewed without end. */
const leastDelayMs = 1_000;

export class TokenRefresh {
  readonly #environment: Environment;
  readonly #connection: Pick<Connection, "prepare" | "ask">;
  readonly #events: Pick<ConnectionEvents, "left" | "error">;
  readonly #get: () => Promise<string>;
  /** Changes with each connection: what was begun on an earlier one is nobody's business. */
  #generation = 0;
  /** How far the server's clock is ahead of ours. */
  #aheadMs = 0;
  #failures = 0;
  #stopTimer: () => void = () => undefined;

  constructor(
    environment: Environment,
    connection: Pick<Connection, "prepare" | "ask">,
    events: Pick<ConnectionEvents, "left" | "error">,
    get: () => Promise<string>,
  ) {
    this.#environment = environment;
    this.#connection = connection;
    this.#events = events;
    this.#get = get;
  }

  begin({ expiresAt, timestamp }: ConnectedFrame): void {
    this.#aheadMs = timestamp - this.#environment.clock.now();
    this.#schedule(expiresAt);
  }

  end(): void {
    this.#generation += 1;
    this.#stopTimer();
  }

  #schedule(expiresAt: number | undefined): void {
    this.#failures = 0;
    if (expiresAt === undefined) return;
    const { clock, random } = this.#environment;
    const leftMs = expiresAt - this.#aheadMs - clock.now();
    const beforeMs = Math.min(marginMs, leftMs / 3) * (1 - random() / 2);
    this.#after(Math.max(leastDelayMs, leftMs - beforeMs));
  }

  #after(delayMs: number): void {
    this.#stopTimer();
    this.#stopTimer = this.#environment.clock.after(delayMs, () => this.#renew(this.#generation));
  }

  #renew(generation: number): void {
    const isOver = () => generation !== this.#generation;
    this.#get().then(
      (token) => {
        if (isOver()) return;
        this.#connection.ask(this.#connection.prepare({ type: "refresh", token }), (answer) => {
          if (answer.type === "error") {
            return this.#failed(refusal(answer));
          }
          const { expiresAt, left = [] } = answer as OkFrame & {
            expiresAt?: number;
            left?: readonly string[];
          };
          this.#schedule(expiresAt);
          if (left.length > 0) this.#events.left(left);
        });
      },
      (error) => {
        if (!isOver()) this.#failed(error);
      },
    );
  }

  /** Tries again for as long as the old token lasts; after that the server closes 4001. */
  #failed(error: Error): void {
    this.#failures += 1;
    this.#after(pauseMs(this.#failures, this.#environment.random));
    this.#events.error(error);
  }
}

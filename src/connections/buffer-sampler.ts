// What waits in the sockets' buffers, all in all and at most: looks at a bounded number of sockets at a time. Knows no session.

import type { Socket } from "../engine/engine.ts";

interface HasSocket {
  readonly socket: Pick<Socket<unknown>, "bufferedBytes">;
}

/** A look costs 15 to 70 ns: at most 0.7 ms a second. */
export const socketsPerTick = 10_000;

/** Goes round all connections. What it tells is the last whole round's: as old as the ticks that a round takes. */
export class BufferSampler {
  sumBytes = 0;
  maxBytes = 0;
  readonly #connections: ReadonlySet<HasSocket>;
  /** Where the round is. Connections may come and go under it. */
  #rest: IterableIterator<HasSocket> | undefined;
  #sum = 0;
  #max = 0;

  constructor(connections: ReadonlySet<HasSocket>) {
    this.#connections = connections;
  }

  /** Once a second. */
  tick(): void {
    this.#rest ??= this.#connections.values();
    for (let looked = 0; looked < socketsPerTick; looked++) {
      const { done, value } = this.#rest.next();
      if (done) {
        this.#finish();
        return;
      }
      const bytes = value.socket.bufferedBytes();
      this.#sum += bytes;
      this.#max = Math.max(this.#max, bytes);
    }
  }

  #finish(): void {
    this.sumBytes = this.#sum;
    this.maxBytes = this.#max;
    this.#sum = 0;
    this.#max = 0;
    this.#rest = undefined;
  }
}

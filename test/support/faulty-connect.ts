// Connections to a real Redis that fail as a test says: messages are lost, replies held back, connections cut.

import { type Connect, ConnectionLost, connect, type RedisConnection } from "../../src/bridge/connection.ts";

export class FaultyConnect {
  readonly #open = new Set<{ readonly connection: RedisConnection; cut(): void }>();
  /** Which messages never arrive. */
  losesMessage: (channel: string) => boolean = () => false;
  /** Set: replies do not arrive, though Redis does what it is asked. */
  isHoldingReplies = false;
  /** Connections opened so far. */
  opened = 0;

  readonly connect: Connect = async (address, handlers, timeoutMs) => {
    const lost = Promise.withResolvers<never>();
    lost.promise.catch(() => undefined);
    let hasEnded = false;
    const closed = (reason: string) => {
      if (hasEnded) return;
      hasEnded = true;
      this.#open.delete(entry);
      lost.reject(new ConnectionLost(reason));
      handlers.closed(reason);
    };
    const message = (channel: string, payload: Uint8Array) => {
      if (!hasEnded && !this.losesMessage(channel)) handlers.message(channel, payload);
    };
    const connection = await connect(address, { message, closed }, timeoutMs);
    this.opened += 1;
    const entry = {
      connection,
      cut: () => {
        connection.close();
        closed("cut by the test");
      },
    };
    this.#open.add(entry);
    return {
      run: async (calls) => {
        const replies = await Promise.race([connection.run(calls), lost.promise]);
        return this.isHoldingReplies ? lost.promise : replies;
      },
      subscribe: (channels) => connection.subscribe(channels),
      unsubscribe: (channels) => connection.unsubscribe(channels),
      get outstanding() {
        return connection.outstanding;
      },
      close: () => connection.close(),
    };
  };

  /** Ends all connections there are. */
  cut(): void {
    for (const { cut } of [...this.#open]) cut();
  }
}

// The side of a generator's process that hears orders and answers them one at a time; knows no socket.

import type { Answers, Failure, Order } from "./messages.ts";

export type Handlers = {
  readonly [Do in Order["do"]]?: (order: Extract<Order, { do: Do }>) => Promise<Answers[Do]> | Answers[Do];
};

export function serveOrders(handlers: Handlers): void {
  const answer = (message: object) => process.send?.(message);
  process.on("message", async (order: Order) => {
    try {
      const handler = handlers[order.do] as ((order: Order) => Promise<object> | object) | undefined;
      if (handler === undefined) throw new Error(`nobody here can ${order.do}`);
      answer(await handler(order));
    } catch (error) {
      const failure: Failure = { failure: String((error as Error).stack ?? error) };
      answer(failure);
    }
  });
  // Without the coordinator there is nobody to load anything for.
  process.on("disconnect", () => process.exit(0));
}

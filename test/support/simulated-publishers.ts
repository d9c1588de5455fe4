// Publishers of a simulation: they try again what failed, as the error codes tell them to, until they know what came of it.

import { FanwireError } from "../../src/errors.ts";
import type { SimulatedLedger } from "./simulated-ledger.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import type { VirtualClock } from "./virtual-clock.ts";

interface Wish {
  readonly topic: string;
  readonly data: string;
  readonly idempotencyKey: string | undefined;
  readonly key?: string;
  readonly removed?: true;
}

const retryMs = 300;

export class SimulatedPublishers {
  readonly complaints: string[] = [];
  /** Publications whose fate is not known yet. */
  unsettled = 0;
  acknowledged = 0;
  /** Without a key there is no way to know. */
  unknown = 0;
  readonly #time: VirtualClock;
  readonly #ledger: SimulatedLedger;
  readonly #anyNode: () => SimulatedNode;

  constructor(time: VirtualClock, ledger: SimulatedLedger, anyNode: () => SimulatedNode) {
    this.#time = time;
    this.#ledger = ledger;
    this.#anyNode = anyNode;
  }

  publish(wish: Wish, node = this.#anyNode()): void {
    this.unsettled += 1;
    this.#attempt(wish, node);
  }

  #attempt(wish: Wish, node: SimulatedNode): void {
    let isOver = false;
    const once = (work: () => void) => {
      if (isOver) return;
      isOver = true;
      work();
    };
    const failed = (failure: unknown) => once(() => this.#failed(wish, failure));
    node.process.do(() => {
      const { idempotencyKey, topic, ...content } = wish;
      const publication = { ...content, timestamp: node.process.clock.now() };
      Promise.resolve(node.bridge.publish(topic, publication, idempotencyKey)).then(
        (position) =>
          once(() => {
            this.unsettled -= 1;
            this.acknowledged += 1;
            this.#ledger.wasAcknowledged(topic, position, wish.data);
          }),
        failed,
      );
    });
    // Its connection to the node ends with the node.
    const watch = () => {
      if (isOver) return;
      if (node.process.isDead) failed(new FanwireError("outcome-unknown", "the node was killed"));
      else this.#time.after(retryMs, watch);
    };
    this.#time.after(retryMs, watch);
  }

  #failed(wish: Wish, failure: unknown): void {
    const code = failure instanceof FanwireError ? failure.code : String(failure);
    const isSafe =
      code === "unavailable" || (code === "outcome-unknown" && wish.idempotencyKey !== undefined);
    if (isSafe) this.#time.after(retryMs, () => this.#attempt(wish, this.#anyNode()));
    else {
      this.unsettled -= 1;
      this.unknown += 1;
      if (code !== "outcome-unknown") this.complaints.push(`a publication failed with ${code}`);
    }
  }
}

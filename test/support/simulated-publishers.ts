// Publishers of a simulation: they try again what failed, as the error codes tell them to, until they know what came of it.

import { FanwireError } from "../../src/errors.ts";
import type { Sending, SimulatedLedger } from "./simulated-ledger.ts";
import { publishTimeoutMs, type SimulatedNode, simulatedTopics } from "./simulated-node.ts";
import type { VirtualClock } from "./virtual-clock.ts";

interface Content {
  readonly topic: string;
  readonly data: string;
  readonly idempotencyKey: string | undefined;
  readonly key?: string;
  readonly removed?: true;
}

interface Wish extends Content {
  readonly sending: Sending;
  /** Given to several nodes, or to one for the second time: it may be where the first one put it. */
  isRepeated: boolean;
}

const retryMs = 300;
/** What else was in its batch has come to its deadline too, and the node had the time to find another connection. */
const undecidedMs = 2 * publishTimeoutMs;

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

  publish(content: Content, node = this.#anyNode()): void {
    this.unsettled += 1;
    const wish = { ...content, sending: this.#ledger.sends(content.topic), isRepeated: false };
    this.#attempt(wish, node);
  }

  /** Two nodes are given the same, as by somebody who has given up waiting for the first. */
  race(content: Content, one: SimulatedNode, other: SimulatedNode): void {
    this.unsettled += 2;
    const wish = { ...content, sending: this.#ledger.sends(content.topic), isRepeated: true };
    this.#attempt(wish, one);
    this.#attempt(wish, other);
  }

  #attempt(wish: Wish, node: SimulatedNode): void {
    let isOver = false;
    const once = (work: () => void) => {
      if (isOver) return;
      isOver = true;
      work();
    };
    const failed = (failure: unknown) => once(() => this.#failed(wish, node, failure));
    node.process.do(() => {
      const { sending, isRepeated, idempotencyKey, topic, ...content } = wish;
      const isPlaced = isRepeated ? undefined : this.#ledger.given(node.name, topic);
      const publication = { ...content, timestamp: node.process.clock.now() };
      Promise.resolve(node.bridge.publish(topic, publication, idempotencyKey)).then(
        (position) =>
          once(() => {
            this.unsettled -= 1;
            this.acknowledged += 1;
            this.#ledger.wasAcknowledged(sending, position, wish.data);
            isPlaced?.(position);
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

  #failed(wish: Wish, node: SimulatedNode, failure: unknown): void {
    const code = failure instanceof FanwireError ? failure.code : String(failure);
    const isSafe =
      code === "unavailable" || (code === "outcome-unknown" && wish.idempotencyKey !== undefined);
    wish.isRepeated = true;
    if (isSafe) {
      this.#time.after(retryMs, () => this.#attempt(wish, this.#anyNode()));
      return;
    }
    this.unsettled -= 1;
    this.unknown += 1;
    if (code !== "outcome-unknown") this.complaints.push(`a publication failed with ${code}`);
    else this.#time.after(undecidedMs, () => this.#lookUp(wish, node));
  }

  /**
   * Without a key one may look whether the publication is there. Once its node has answered, it is there or never will be: whatever
   * a dead connection still has in it comes too late.
   */
  #lookUp(wish: Wish, node: SimulatedNode): void {
    const { topic, data } = wish;
    if (topic === simulatedTopics.latest) return;
    node.process.do(() => {
      node.bridge.history(topic, undefined, 1).then(
        ({ epoch, offset }) => this.#ledger.isDecided(topic, data, { epoch, offset }),
        () => this.#time.after(undecidedMs, () => this.#lookUp(wish, node)),
      );
    });
  }
}

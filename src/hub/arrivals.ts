// Who waits for this node to hear of a topic what another node has heard already. Knows no client and asks nobody.

import type { Position } from "../bridge/bridge.ts";
import { FanwireError } from "../errors.ts";
import type { ActiveTopic } from "./active-topic.ts";

/** What is late comes at once, or when a lost connection was noticed. Longer nobody is kept waiting: the client asks again. */
const patienceMs = 5000;

interface Arrival {
  readonly isThere: (position: Position) => boolean;
  readonly untilMs: number;
  readonly resolve: () => void;
  readonly reject: (failure: FanwireError) => void;
}

export class Arrivals {
  readonly #now: () => number;
  readonly #waiting = new Map<ActiveTopic, Set<Arrival>>();

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Resolves once the topic, which has a log, is where it is waited for. Rejects with `unavailable` where that takes too long. */
  wait(topic: ActiveTopic, isThere: (position: Position) => boolean): Promise<void> {
    if (isThere(topic.log!.position)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const arrivals = this.#waiting.get(topic) ?? new Set();
      this.#waiting.set(topic, arrivals);
      arrivals.add({ isThere, untilMs: this.#now() + patienceMs, resolve, reject });
    });
  }

  /** The topic has another position. Nearly always nobody waits. */
  moved(topic: ActiveTopic): void {
    const arrivals = this.#waiting.size === 0 ? undefined : this.#waiting.get(topic);
    if (!arrivals) return;
    for (const arrival of arrivals) {
      if (arrival.isThere(topic.log!.position)) this.#end(topic, arrivals, arrival).resolve();
    }
  }

  /** Once a second. */
  tick(): void {
    const now = this.#now();
    for (const [topic, arrivals] of this.#waiting) {
      for (const arrival of arrivals) {
        if (arrival.untilMs <= now) this.#end(topic, arrivals, arrival).reject(late());
      }
    }
  }

  #end(topic: ActiveTopic, arrivals: Set<Arrival>, arrival: Arrival): Arrival {
    arrivals.delete(arrival);
    if (arrivals.size === 0) this.#waiting.delete(topic);
    return arrival;
  }
}

function late(): FanwireError {
  return new FanwireError("unavailable", "This node is behind the position that was asked for.");
}

// The idempotency keys of one topic and the positions of the publications made under them. Pure; takes the time as argument.

import type { Position } from "./bridge.ts";

interface Accepted {
  readonly position: Position;
  readonly untilMs: number;
}

export class AcceptedKeys {
  /** In the order of their expiry. */
  readonly #accepted = new Map<string, Accepted>();

  get isEmpty(): boolean {
    return this.#accepted.size === 0;
  }

  get(key: string, nowMs: number): Position | undefined {
    const accepted = this.#accepted.get(key);
    return accepted && accepted.untilMs > nowMs ? accepted.position : undefined;
  }

  /** Remembers a key. Above `maxKeys` the oldest is forgotten before its time. */
  add(key: string, position: Position, untilMs: number, maxKeys: number): void {
    this.#accepted.delete(key);
    this.#accepted.set(key, { position, untilMs });
    if (this.#accepted.size > maxKeys) this.#accepted.delete(this.#accepted.keys().next().value!);
  }

  expire(nowMs: number): void {
    for (const [key, accepted] of this.#accepted) {
      if (accepted.untilMs > nowMs) return;
      this.#accepted.delete(key);
    }
  }
}

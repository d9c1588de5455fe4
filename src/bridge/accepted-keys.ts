// The idempotency keys of one topic and the positions of the publications made under them. Pure; takes the time as argument.

import type { Position } from "./bridge.ts";

interface Accepted {
  readonly position: Position;
  readonly untilMs: number;
}

/** What Bun and Node.js were measured to take for a key and what is remembered with it, its text aside. */
const entryBytes = 320;

/** About the memory that a key takes while it is remembered. */
export function memoryOfKey(key: string): number {
  return entryBytes + key.length;
}

export class AcceptedKeys {
  /** In the order of their expiry. */
  readonly #accepted = new Map<string, Accepted>();
  #bytes = 0;

  /** About the memory of all keys. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#accepted.size === 0;
  }

  get(key: string, nowMs: number): Position | undefined {
    const accepted = this.#accepted.get(key);
    return accepted && accepted.untilMs > nowMs ? accepted.position : undefined;
  }

  /** Remembers a key. Above `maxKeys` the oldest is forgotten before its time. */
  add(key: string, position: Position, untilMs: number, maxKeys: number): void {
    this.#delete(key);
    this.#accepted.set(key, { position, untilMs });
    this.#bytes += memoryOfKey(key);
    if (this.#accepted.size > maxKeys) this.#delete(this.#accepted.keys().next().value!);
  }

  expire(nowMs: number): void {
    for (const [key, accepted] of this.#accepted) {
      if (accepted.untilMs > nowMs) return;
      this.#delete(key);
    }
  }

  #delete(key: string): void {
    if (this.#accepted.delete(key)) this.#bytes -= memoryOfKey(key);
  }
}

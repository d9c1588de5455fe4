// The `data` of a publication as the JSON it came in. Knows no frames, and what it holds has been checked (json-publish.ts).

import type { DataFacts } from "./data-facts.ts";

export class JsonData {
  readonly facts: DataFacts;
  /** All that it came in: engines keep that behind any piece of it, so the piece is cut only where it is written. */
  readonly #frame: string;
  readonly #from: number;
  readonly #to: number;

  constructor(frame: string, from: number, to: number, facts: DataFacts) {
    this.#frame = frame;
    this.#from = from;
    this.#to = to;
    this.facts = facts;
  }

  get text(): string {
    return this.#frame.slice(this.#from, this.#to);
  }

  /** Decoded anew each time. */
  get value(): unknown {
    return JSON.parse(this.text);
  }

  /** What keeping it keeps. */
  get keptBytes(): number {
    return this.#frame.length;
  }

  /** JSON.stringify writes the value, wherever in a frame it stands. */
  toJSON(): unknown {
    return this.value;
  }
}

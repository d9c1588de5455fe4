// Which namespaces are volatile, as far as answers have shown. Knows nothing else of topics.

import type { Mode } from "../wire/frames.ts";

const namespaceOf = (topic: string) => topic.slice(0, topic.indexOf(":"));

export class VolatileNamespaces {
  readonly #names = new Set<string>();

  has(topic: string): boolean {
    return this.#names.has(namespaceOf(topic));
  }

  add(topic: string): void {
    this.#names.add(namespaceOf(topic));
  }

  /** What the server said of a topic. Its options may have changed since the last time. */
  learn(topic: string, mode: Mode): void {
    if (mode === "volatile") this.add(topic);
    else this.#names.delete(namespaceOf(topic));
  }
}

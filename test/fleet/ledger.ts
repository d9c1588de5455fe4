// What one process of a fleet saw, all its clients together: what is published where. Knows no clients.

export class Ledger {
  readonly complaints: string[] = [];
  /** By topic, then by `epoch:offset`: the publication as `name number`. */
  readonly #seen = new Map<string, Map<string, string>>();

  /** Complains where somebody else saw another publication there. */
  note(topic: string, place: string, publication: string, witness: string): void {
    const places = this.#seen.get(topic) ?? new Map<string, string>();
    this.#seen.set(topic, places);
    const known = places.get(place);
    if (known === undefined) places.set(place, publication);
    else if (known !== publication) {
      this.complaints.push(`${topic} ${place} is ${known} and, to ${witness}, ${publication}`);
    }
  }

  get seen(): Readonly<Record<string, Readonly<Record<string, string>>>> {
    const entries = [...this.#seen].map(([topic, places]) => [topic, Object.fromEntries(places)]);
    return Object.fromEntries(entries);
  }
}

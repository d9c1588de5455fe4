// What a simulation's publishers were told and what its readers saw, side by side: one content for each position, one place for
// each publication. Knows neither nodes nor Redis.

import type { Position } from "../../src/bridge/bridge.ts";

export class SimulatedLedger {
  readonly complaints: string[] = [];
  /** Positions that a publisher was told, with their topics. */
  readonly acknowledged: { readonly topic: string; readonly position: Position }[] = [];
  /** By topic and position. */
  readonly #contents = new Map<string, string>();
  /** By topic, perhaps epoch, and content. */
  readonly #offsets = new Map<string, number>();
  readonly #mayLose: boolean;

  /** `mayLose`: Redis may forget a publication, which its publisher then makes once more in another epoch. */
  constructor(mayLose: boolean) {
    this.#mayLose = mayLose;
  }

  saw(topic: string, position: Position, data: unknown): void {
    this.#is(topic, position, String(data), "was seen");
  }

  wasAcknowledged(topic: string, position: Position, data: string): void {
    this.acknowledged.push({ topic, position });
    this.#is(topic, position, data, "was acknowledged");
  }

  #is(topic: string, { epoch, offset }: Position, data: string, how: string): void {
    const id = data.split(" ")[0]!;
    const place = `${topic} ${epoch}:${offset}`;
    const known = this.#contents.get(place);
    if (known === undefined) this.#contents.set(place, id);
    else if (known !== id) this.complaints.push(`${id} ${how} at ${place}, where ${known} is`);
    // After a restart with its data Redis counts on, under another epoch: an offset is one publication's all the same.
    const scope = this.#mayLose ? `${topic} ${epoch} ${id}` : `${topic} ${id}`;
    const other = this.#offsets.get(scope);
    if (other === undefined) this.#offsets.set(scope, offset);
    else if (other !== offset) this.complaints.push(`${id} ${how} at ${place}, and at offset ${other}`);
  }
}

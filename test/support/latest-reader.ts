// A client of `latest` topics: keeps the newest value of each key, and complains when one goes back.

import type { Position } from "../../src/bridge/bridge.ts";
import { ModelClient, type ModelOk, type ModelPublication } from "./model-client.ts";

interface Watches {
  position: Position;
  resets: number;
  /** By key; a removed key keeps the offset of its removal. */
  values: Map<string, { offset: number; data: unknown; removed: boolean }>;
}

export class LatestReader extends ModelClient {
  readonly watches = new Map<string, Watches>();

  /** What the reader would show, by key. */
  shown(topic: string): Record<string, unknown> {
    this.look();
    const there = [...this.watches.get(topic)!.values].filter(([, { removed }]) => !removed);
    return Object.fromEntries(there.map(([key, { data }]) => [key, data]));
  }

  protected override answered(ok: ModelOk): void {
    const before = this.watches.get(ok.topic);
    const values = ok.recovered ? before!.values : new Map();
    this.watches.set(ok.topic, {
      position: { epoch: ok.epoch, offset: ok.recovered ? ok.since!.offset : 0 },
      resets: before?.resets ?? 0,
      values,
    });
    for (const publication of ok.publications) this.message(ok.topic, publication);
    this.#reach(ok.topic, ok.offset);
  }

  protected override reset(topic: string, { epoch, offset }: Position): void {
    const watches = this.watches.get(topic);
    if (!watches) return void this.complaints.push(`reset of ${topic} before its ok`);
    watches.position = { epoch, offset };
    watches.resets += 1;
    watches.values.clear();
  }

  protected override message(topic: string, { key, offset, data, removed }: ModelPublication): void {
    const watches = this.watches.get(topic);
    if (!watches) return void this.complaints.push(`a message of ${topic} before its ok`);
    const known = watches.values.get(key!);
    if (known && offset < known.offset)
      this.complaints.push(`${key} went back to ${offset} from ${known.offset}`);
    watches.values.set(key!, { offset, data, removed: removed === true });
    this.#reach(topic, offset);
  }

  /** Values may repeat: how far the reader has come is the greatest offset of all. */
  #reach(topic: string, offset: number): void {
    const watches = this.watches.get(topic)!;
    watches.position = { ...watches.position, offset: Math.max(watches.position.offset, offset) };
  }
}

// A client of `stream` topics that complains about the first thing that no client should see.

import type { Position } from "../../src/bridge/bridge.ts";
import type { Snapshot } from "../../src/wire/frames.ts";
import { ModelClient, type ModelOk, type ModelPublication } from "./model-client.ts";

/** What a reader knows of a topic it is subscribed to. */
interface Follows {
  position: Position;
  resets: Position[];
  /** Every publication seen, as `epoch:offset`. */
  seen: string[];
}

/** Complains about a hole, a double, an older publication, or one whose content is not that of its position. */
export class StreamReader extends ModelClient {
  readonly follows = new Map<string, Follows>();
  /** How many snapshots it was given. */
  snapshots = 0;

  protected override answered(ok: ModelOk): void {
    const before = this.follows.get(ok.topic);
    const start = ok.recovered ? ok.since! : (ok.snapshot ?? ok);
    const position = { epoch: start.epoch, offset: start.offset };
    this.#check(ok.snapshot);
    if (ok.snapshot) this.snapshots += 1;
    this.follows.set(ok.topic, { position, resets: before?.resets ?? [], seen: before?.seen ?? [] });
    for (const publication of ok.publications) this.message(ok.topic, publication);
    const reached = this.follows.get(ok.topic)!.position;
    if (reached.epoch !== ok.epoch || reached.offset !== ok.offset) {
      this.complaints.push(
        `the ok says ${ok.epoch}:${ok.offset}, its publications end at ${reached.epoch}:${reached.offset}`,
      );
    }
  }

  protected override reset(
    topic: string,
    { epoch, offset, snapshot }: Position & { snapshot?: Snapshot },
  ): void {
    this.#check(snapshot);
    if (snapshot) this.snapshots += 1;
    if (snapshot && (snapshot.epoch !== epoch || snapshot.offset !== offset)) {
      this.complaints.push(
        `a reset to ${epoch}:${offset} has a snapshot of ${snapshot.epoch}:${snapshot.offset}`,
      );
    }
    const follows = this.follows.get(topic);
    if (!follows) return void this.complaints.push(`reset of ${topic} before its ok`);
    follows.position = { epoch, offset };
    follows.resets.push(follows.position);
  }

  #check(snapshot: Snapshot | undefined): void {
    if (snapshot && snapshot.data !== `state at ${snapshot.epoch}:${snapshot.offset}`) {
      this.complaints.push(`a snapshot of ${snapshot.epoch}:${snapshot.offset} holds ${snapshot.data}`);
    }
  }

  /** Whether a publication has the content of its position. */
  protected holds(id: string, data: unknown): boolean {
    return String(data).startsWith(`${id} `);
  }

  protected override message(topic: string, { offset, data }: ModelPublication): void {
    const follows = this.follows.get(topic);
    if (!follows) return void this.complaints.push(`a message of ${topic} before its ok`);
    const { epoch } = follows.position;
    if (offset !== follows.position.offset + 1) {
      this.complaints.push(`${topic} ${epoch}:${offset} came after ${follows.position.offset}`);
    }
    const id = `${epoch}:${offset}`;
    if (!this.holds(id, data)) {
      this.complaints.push(`${topic} ${id} holds ${String(data).trim()}`);
    }
    follows.seen.push(id);
    follows.position = { epoch, offset };
  }
}

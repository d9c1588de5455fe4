// What a simulation's publishers were told and what its readers saw, side by side: one content for each position, one place for
// each publication. Knows neither nodes nor Redis.

import type { Position } from "../../src/bridge/bridge.ts";

/** What is known of a publication when it is first sent. */
export interface Sending {
  readonly topic: string;
  /** The last position of the topic that anybody was told by then. */
  readonly after: Position | undefined;
}

/** Where the publications are that one node was given for one topic, in the order in which it got them. */
type Line = (Position | undefined)[];

export class SimulatedLedger {
  readonly complaints: string[] = [];
  /** Positions that a publisher was told, with their topics. */
  readonly acknowledged: { readonly topic: string; readonly position: Position }[] = [];
  /** By topic, the last of them. */
  readonly #newest = new Map<string, Position>();
  readonly #lines = new Map<string, Line>();
  /** By topic and content: publications of unknown outcome, and the head of their topic once nothing could come of them any more. */
  readonly #decided = new Map<string, Position>();
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

  /** A publication is about to be sent for the first time. */
  sends(topic: string): Sending {
    return { topic, after: this.#newest.get(topic) };
  }

  wasAcknowledged({ topic, after }: Sending, position: Position, data: string): void {
    this.acknowledged.push({ topic, position });
    this.#is(topic, position, data, "was acknowledged");
    if (!isBefore(position, this.#newest.get(topic))) this.#newest.set(topic, position);
    if (after?.epoch === position.epoch && position.offset <= after.offset) {
      this.complaints.push(
        `${data} is at ${topic} ${position.offset}, and ${after.offset} was acknowledged before it was sent`,
      );
    }
  }

  /** A node is given a publication for the first time. Answers what is to be told of its position. */
  given(node: string, topic: string): (position: Position) => void {
    const name = `${topic} by ${node}`;
    const line = this.#lines.get(name) ?? [];
    this.#lines.set(name, line);
    const turn = line.push(undefined) - 1;
    return (position) => {
      line[turn] = position;
    };
  }

  /** Whoever was not told what became of a publication, and has waited for its node, knows that it is there by now or never. */
  isDecided(topic: string, data: string, head: Position): void {
    this.#decided.set(`${topic} ${idOf(data)}`, head);
  }

  /** What one node was given in one order and acknowledged is in the topic in that order. */
  lookAtOrder(): void {
    for (const [name, line] of this.#lines) {
      let last: Position | undefined;
      for (const position of line) {
        if (!position) continue;
        if (isBefore(position, last)) {
          this.complaints.push(`of ${name}, ${position.offset} was published after ${last!.offset}`);
        }
        last = position;
      }
    }
  }

  #is(topic: string, { epoch, offset }: Position, data: string, how: string): void {
    const id = idOf(data);
    const head = this.#decided.get(`${topic} ${id}`);
    if (isBefore(head, { epoch, offset })) {
      this.complaints.push(`${id} ${how} at ${topic} ${offset}, and was not there at ${head!.offset}`);
      this.#decided.delete(`${topic} ${id}`);
    }
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

function idOf(data: string): string {
  return data.split(" ")[0]!;
}

/** Whether both are known, of one epoch, and in this order. */
function isBefore(one: Position | undefined, other: Position | undefined): boolean {
  return one !== undefined && one.epoch === other?.epoch && one.offset < other.offset;
}

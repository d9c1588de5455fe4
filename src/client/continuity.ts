// Where one topic stands, and what of that which arrives is new: no doubles, no silent holes, no older value. Pure.

import type { Position } from "../bridge/bridge.ts";
import type { Mode, OkFrame, PublicationItem, Snapshot } from "../wire/frames.ts";

/** The `ok` of a `subscribe`. */
export interface SubscribeOk extends OkFrame, Partial<Position> {
  readonly mode: Mode;
  readonly recovered?: boolean;
  readonly publications?: readonly PublicationItem[];
  readonly snapshot?: Snapshot;
  readonly maxRateHz?: number;
}

/** `new`: for the application. `old`: it has that, or something newer. `hole`: something before it is missing. */
export type Verdict = "new" | "old" | "hole";

/** Keys that are remembered after their removal: as many as the server remembers by default. */
const mostRemoved = 10_000;

export class Continuity {
  /** Up to here the application has everything. */
  position: Position | undefined;
  mode: Mode | undefined;
  /** `latest`: the offset of each key's newest value. Removed ones are in a map of their own, the longest known first. */
  readonly #offsets = new Map<string, number>();
  readonly #removed = new Map<string, number>();

  constructor(since?: Position) {
    this.position = since && { epoch: since.epoch, offset: since.offset };
  }

  /** Takes an answer, whose publications are taken one by one after it. Answers whether the topic goes on from where it was. */
  resume(ok: SubscribeOk): boolean {
    const before = this.position;
    this.mode = ok.mode;
    const { epoch, offset } = ok;
    if (ok.mode === "volatile" || epoch === undefined || offset === undefined) {
      this.position = undefined;
      return false;
    }
    const continues = ok.recovered === true && before?.epoch === epoch && offset >= before.offset;
    if (!continues) this.begin({ epoch, offset: startOf(ok, offset) });
    return continues;
  }

  /** After an answer's publications: whether they lead up to where it says they end. */
  reaches({ offset }: SubscribeOk): boolean {
    if (!this.position || offset === undefined) return true;
    const { epoch, offset: reached } = this.position;
    if (this.mode === "latest") this.position = { epoch, offset: Math.max(reached, offset) };
    return this.position.offset >= offset;
  }

  /** Judges a message, and moves on over one that is new. */
  take({ offset, key = "", removed }: PublicationItem): Verdict {
    if (offset === undefined || !this.position) return "new";
    const { epoch } = this.position;
    if (this.mode !== "latest") {
      const expected = this.position.offset + 1;
      if (offset !== expected) return offset < expected ? "old" : "hole";
      this.position = { epoch, offset };
      return "new";
    }
    const known = this.#offsets.get(key) ?? this.#removed.get(key);
    if (known !== undefined && offset <= known) return "old";
    this.#remember(key, offset, removed === true);
    this.position = { epoch, offset: Math.max(this.position.offset, offset) };
    return "new";
  }

  /** Forgets what was, and goes on from another position. */
  begin({ epoch, offset }: Position): void {
    this.position = { epoch, offset };
    this.#offsets.clear();
    this.#removed.clear();
  }

  #remember(key: string, offset: number, isRemoved: boolean): void {
    this.#offsets.delete(key);
    this.#removed.delete(key);
    (isRemoved ? this.#removed : this.#offsets).set(key, offset);
    if (this.#removed.size > mostRemoved) this.#removed.delete(this.#removed.keys().next().value!);
  }
}

/** What the first of an answer's publications follows. */
function startOf({ mode, snapshot, publications = [] }: SubscribeOk, offset: number): number {
  if (mode === "latest") return 0;
  if (snapshot) return snapshot.offset;
  const first = publications[0]?.offset;
  return first === undefined ? offset : first - 1;
}

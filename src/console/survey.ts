// Finds the greatest of a large collection by looking at a bounded number of its things at a time. Knows nothing of what they are.

export interface Question<Thing, Rank> {
  /** All things, from the beginning. The collection may change meanwhile, as a Map or Set may under its iterator. */
  readonly all: () => Iterator<Thing>;
  readonly matches: (thing: Thing) => boolean;
  readonly rank: (thing: Thing) => Rank;
  /** Whether the first rank goes before the second. */
  readonly precedes: (a: Rank, b: Rank) => boolean;
}

/** Things that are kept, at most. */
export const keptThings = 50;
/** Things looked at in one step, at most: half a millisecond for topics, less for connections. */
export const thingsPerStep = 10_000;

interface Ranked<Thing, Rank> {
  readonly thing: Thing;
  readonly rank: Rank;
}

/** Goes round the collection step by step. What it knows is as old as the steps of the last whole round. */
export class Survey<Thing, Rank> {
  readonly #question: Question<Thing, Rank>;
  #rest: Iterator<Thing> | undefined;
  #best: Ranked<Thing, Rank>[] = [];
  #matching = 0;
  #found: { readonly things: readonly Thing[]; readonly matching: number } | undefined;

  constructor(question: Question<Thing, Rank>) {
    this.#question = question;
  }

  /** Looks on. `isWhole`: the answer is of a whole round; else of as much as has been looked at. */
  step(): { readonly things: readonly Thing[]; readonly matching: number; readonly isWhole: boolean } {
    this.#rest ??= this.#question.all();
    for (let looked = 0; looked < thingsPerStep; looked++) {
      const { done, value } = this.#rest.next();
      if (done) {
        this.#found = this.#take();
        this.#best = [];
        this.#matching = 0;
        this.#rest = undefined;
        break;
      }
      this.#look(value);
    }
    return this.#found ? { ...this.#found, isWhole: true } : { ...this.#take(), isWhole: false };
  }

  #take() {
    return { things: this.#best.map(({ thing }) => thing), matching: this.#matching };
  }

  #look(thing: Thing): void {
    const { matches, rank, precedes } = this.#question;
    if (!matches(thing)) return;
    this.#matching += 1;
    const found = rank(thing);
    const last = this.#best.at(-1);
    if (this.#best.length === keptThings) {
      if (!precedes(found, last!.rank)) return;
      this.#best.pop();
    }
    let low = 0;
    let high = this.#best.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (precedes(found, this.#best[middle]!.rank)) high = middle;
      else low = middle + 1;
    }
    this.#best.splice(low, 0, { thing, rank: found });
  }
}

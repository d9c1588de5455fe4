// What rules about data ask for, counted by whoever has read it without decoding it.

export interface DataFacts {
  /** Values, those that hold others included. */
  readonly values: number;
  /** How deeply lists, maps and binary values are nested: 0 where there are none, 1 for a list of numbers. */
  readonly depth: number;
  readonly hasBinary: boolean;
}

// docs/client.md's reference: it is what the sources' doc comments make, and has everything that the client exports.

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { page, withReference } from "../scripts/client-reference.ts";
import { declarationsOf } from "../scripts/declarations.ts";

const text = readFileSync(page, "utf8");
const source = (name: string) => readFileSync(new URL(`../src/client/${name}`, import.meta.url), "utf8");

test("the client's reference is as the doc comments are (else: bun scripts/client-reference.ts)", () => {
  expect(text).toBe(withReference(text));
});

test("everything that the client exports has a section", () => {
  const declared = ["client.ts", "options.ts"].flatMap((name) =>
    Array.from(source(name).matchAll(/^export (?:type|interface|class|function) (\w+)/gm), ([, it]) => it!),
  );
  const handedOn = Array.from(source("client.ts").matchAll(/^export (?:type )?\{(.*?)\}/gm), ([, it]) => it!);
  const names = [...declared, ...handedOn.flatMap((list) => list.trim().split(", "))];
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !text.includes(`\n### \`${name}\`\n`))).toEqual([]);
});

const sample = `
/** What it is. */
export class Thing<Of> extends Base {
  readonly #secret: string;
  /**
   * Two
   * lines.
   *
   * And a paragraph.
   */
  readonly size?: number;

  constructor(size: number) {
    this.size = size;
  }

  get state(): { readonly is: string } {
    return { is: "no member" };
  }

  /** Long. */
  async ask(
    what: string,
    options: { readonly since?: number } = {},
  ): Promise<Of> {
    return this.#ask(what, options);
  }

  #ask(): void {
    return undefined;
  }
}

export const not = "this";

export type Choice =
  | { readonly a: 1 }
  | { readonly b: 2; readonly c: 3 };
`;

test("declarations are read with their comments, and without what is private", () => {
  expect(declarationsOf(sample)).toEqual([
    {
      kind: "class",
      name: "Thing",
      bases: ["Base"],
      text: "",
      doc: "What it is.",
      members: [
        { signature: "size?: number", doc: "Two lines.\n\nAnd a paragraph." },
        { signature: "state: { is: string }", doc: "" },
        { signature: "ask(what: string, options: { since?: number } = {}): Promise<Of>", doc: "Long." },
      ],
    },
    { kind: "type", name: "Choice", bases: [], text: "| { a: 1 } | { b: 2; c: 3 }", doc: "", members: [] },
  ]);
});

test("what does not end is refused, not passed over", () => {
  expect(() => declarationsOf("export type Open = {")).toThrow("does not end");
  expect(() => declarationsOf("export interface Open {\n  a: 1;")).toThrow("does not end");
});

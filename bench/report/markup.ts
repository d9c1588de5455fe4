// HTML and SVG as text in which every string is escaped that is not markup itself; knows no page and no chart.

/** Text that is markup already. Only `element` and `style` make it, so nothing that a result says can become a tag. */
export class Markup {
  readonly #text: string;

  constructor(make: { readonly trusted: string }) {
    this.#text = make.trusted;
  }

  toString(): string {
    return this.#text;
  }
}

export type Child = Markup | string | number | undefined | readonly Child[];
type Attributes = Readonly<Record<string, string | number | undefined>>;

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** What XML has no place for, not even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that must not get through.
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

export function escaped(text: string): string {
  return text
    .replace(/\p{Surrogate}/gu, "\ufffd")
    .replace(forbidden, "\ufffd")
    .replace(/[&<>"']/g, (character) => entities[character] as string);
}

/** Elements that HTML never closes. */
const empty = new Set(["br", "hr", "link", "meta"]);

/** An element as both HTML and XML read it. Numbers keep two decimals: a hundredth of a pixel. */
export function element(name: string, attributes: Attributes = {}, ...children: Child[]): Markup {
  const words = Object.entries(attributes).map(([key, value]) => attribute(name, key, value));
  const open = `${name}${words.join("")}`;
  const trusted = empty.has(name) ? `<${open} />` : `<${open}>${children.map(textOf).join("")}</${name}>`;
  return new Markup({ trusted });
}

function attribute(element: string, name: string, value: string | number | undefined): string {
  if (value === undefined) return "";
  if (typeof value === "string") return ` ${name}="${escaped(value)}"`;
  if (!Number.isFinite(value)) throw new Error(`<${element}> cannot have ${name} ${value}`);
  return ` ${name}="${Number(value.toFixed(2))}"`;
}

function textOf(child: Child): string {
  if (child === undefined) return "";
  if (child instanceof Markup) return child.toString();
  if (typeof child === "object") return child.map(textOf).join("");
  return escaped(String(child));
}

/** A style sheet. A browser reads it raw up to the closing tag, so it must be our own text and can hold no result. */
export function style(css: string): Markup {
  if (/[<&]/.test(css)) throw new Error("a style sheet with markup in it");
  return new Markup({ trusted: `<style>${css}</style>` });
}

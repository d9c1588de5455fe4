// What a section is made of: a plot with its legend and its data as a table, or the word that there is nothing to draw.

import type { Interval } from "../measure/stats.ts";
import { type Child, element, type Markup } from "./markup.ts";
import type { Figure } from "./metrics.ts";

export interface Section {
  /** The anchor. */
  readonly id: string;
  /** The question. */
  readonly title: string;
  readonly body: readonly Child[];
}

export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Wider than a phone, a table scrolls within itself. */
export function tableOf({ head, rows }: Table): Markup {
  return element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "table" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, ...head.map((cell) => element("th", { scope: "col" }, cell)))),
      element(
        "tbody",
        {},
        rows.map((row) =>
          element(
            "tr",
            {},
            row.map((cell, place) =>
              place === 0 ? element("th", { scope: "row" }, cell) : figureCell(cell),
            ),
          ),
        ),
      ),
    ),
  );
}

/** An interval stands beneath its figure: beside it, the table of seven targets would be wider than any screen. */
function figureCell(cell: string): Markup {
  const [, figure, interval] = /^(\S+) (\[.*)$/.exec(cell) ?? [];
  if (figure !== undefined) return element("td", {}, figure, element("small", {}, interval));
  return element("td", { class: cell.startsWith("invalid") ? "invalid" : undefined }, cell);
}

export interface Picture {
  /** One sentence: what is drawn. */
  readonly caption: string;
  /** Undefined: nothing of it may be relied on. */
  readonly plot: Markup | undefined;
  readonly legend?: Markup;
  readonly data: Table;
  /** Why nothing is drawn, or what is left out of the plot. */
  readonly refusals?: readonly string[];
  /** What else is to be known. */
  readonly remarks?: readonly string[];
}

export function picture({ caption, plot, legend, data, refusals = [], remarks = [] }: Picture): Markup {
  return element(
    "figure",
    {},
    element("figcaption", {}, caption),
    plot ??
      element("p", { class: "refused" }, element("strong", {}, "invalid"), " – no headline from these runs."),
    plot === undefined ? undefined : legend,
    listOf("refusals", refusals),
    listOf("remarks", remarks),
    element("details", {}, element("summary", {}, "Data"), tableOf(data)),
  );
}

const listOf = (name: string, lines: readonly string[]): Child =>
  lines.length === 0
    ? undefined
    : element(
        "ul",
        { class: name },
        lines.map((line) => element("li", {}, line)),
      );

/** Figures that are no picture: the table is open. */
export const tableFigure = (caption: string, table: Table): Markup =>
  element("figure", { class: "wide" }, element("figcaption", {}, caption), tableOf(table));

export const paragraph = (...children: Child[]): Markup => element("p", {}, ...children);

/** Plots that answer one question together stand side by side where there is room. */
export const pair = (...pictures: Child[]): Markup => element("div", { class: "pictures" }, ...pictures);

export const fixed = (value: number | undefined, digits: number): string =>
  value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(digits);

/** Median and interval; with fewer than three rounds there is no interval worth the name. */
export const intervalText = ({ low, mid, high, count }: Interval, digits: number): string =>
  count < 3
    ? `${mid.toFixed(digits)} (n = ${count})`
    : `${mid.toFixed(digits)} [${low.toFixed(digits)}, ${high.toFixed(digits)}]`;

export function figureText(figure: Figure, digits: number): string {
  if ("none" in figure) return figure.none;
  const left = figure.invalid > 0 ? ` (${figure.invalid} invalid left out)` : "";
  return `${intervalText(figure.interval, digits)}${left}`;
}

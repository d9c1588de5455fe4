// Stacked horizontal bars, each part with a pattern of its own, as SVG; knows no result.

import { linearAxis } from "./axis.ts";
import { element, type Markup } from "./markup.ts";

export interface Bar {
  readonly name: string;
  /** In the order of the parts' names; what a bar does not have is 0. */
  readonly values: readonly number[];
  /** The ends of the spread of the sum. */
  readonly low?: number;
  readonly high?: number;
}

export interface BarsParts {
  readonly title: string;
  /** What the bars' length is, with its unit. */
  readonly label: string;
  readonly parts: readonly string[];
  readonly bars: readonly Bar[];
  /** Digits after the point of the sums. */
  readonly digits: number;
}

const width = 480;
const right = 76;
const rowHeight = 40;
const top = 6;
const bottom = 44;
/** Fill patterns of the page (see patterns), by part. */
const fills = ["solid", "hatch", "dots", "cross"] as const;

/** Names stand above their bars: beside them they would take half of a phone's width. */
export function bars({ title, label, parts, bars: rows, digits }: BarsParts): Markup {
  const sum = ({ values }: Bar) => values.reduce((total, value) => total + value, 0);
  const axis = linearAxis(
    label,
    rows.flatMap((row) => [sum(row), row.high ?? 0]),
    4,
  );
  const across = (value: number) => 4 + axis.place(value) * (width - right - 4);
  const floor = top + rows.length * rowHeight;
  return element(
    "svg",
    { viewBox: `0 0 ${width} ${floor + bottom}`, role: "img", class: "plot" },
    element("title", {}, title),
    axis.ticks.map(({ value, text }) => [
      element("path", { class: "grid", d: `M${Number(across(value).toFixed(2))} ${top}V${floor}` }),
      element("text", { x: across(value), y: floor + 16, "text-anchor": "middle" }, text),
    ]),
    element("text", { class: "label", x: width - 4, y: floor + 38, "text-anchor": "end" }, label),
    rows.map((row, place) => {
      const y = top + place * rowHeight;
      let from = 0;
      return element(
        "g",
        {},
        element("text", { x: 4, y: y + 14 }, row.name),
        row.values.map((value, part) => {
          const start = from;
          from += value;
          const hint = `${row.name}, ${parts[part]}: ${value.toFixed(digits)}`;
          return value <= 0
            ? undefined
            : element(
                "rect",
                {
                  x: across(start),
                  y: y + 19,
                  width: across(from) - across(start),
                  height: 14,
                  class: `bar ${fills[part % fills.length]}`,
                },
                element("title", {}, hint),
              );
        }),
        row.low === undefined || row.high === undefined
          ? undefined
          : element("path", {
              class: "spread",
              d: `M${across(row.low).toFixed(1)} ${y + 26}H${across(row.high).toFixed(1)}`,
            }),
        element(
          "text",
          { class: "value", x: across(Math.max(sum(row), row.high ?? 0)) + 5, y: y + 31 },
          sum(row).toFixed(digits),
        ),
      );
    }),
  );
}

export function barsLegend(parts: readonly string[]): Markup {
  return element(
    "ul",
    { class: "legend" },
    parts.map((part, place) =>
      element(
        "li",
        {},
        element(
          "svg",
          { viewBox: "0 0 34 12", "aria-hidden": "true" },
          element("rect", {
            x: 1,
            y: 1,
            width: 32,
            height: 10,
            class: `bar ${fills[place % fills.length]}`,
          }),
        ),
        part,
      ),
    ),
  );
}

/** The fills, once per page. Colours come from the style sheet, so the patterns follow light and dark. */
export function patterns(): Markup {
  const pattern = (id: string, ...children: Markup[]) =>
    element(
      "pattern",
      { id, width: 6, height: 6, patternUnits: "userSpaceOnUse" },
      element("rect", { width: 6, height: 6, class: `${id}-ground` }),
      ...children,
    );
  return element(
    "svg",
    { class: "patterns", "aria-hidden": "true", width: 0, height: 0 },
    element(
      "defs",
      {},
      pattern("fill-hatch", element("path", { class: "ink", d: "M-1 1L1 -1M0 6L6 0M5 7L7 5" })),
      pattern("fill-dots", element("circle", { class: "spot", cx: 3, cy: 3, r: 1.4 })),
      pattern("fill-cross", element("path", { class: "ink", d: "M0 6L6 0M0 0L6 6" })),
    ),
  );
}

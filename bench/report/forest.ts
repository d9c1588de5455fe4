// A forest plot: ratios with their intervals on a logarithmic axis around 1, as SVG; knows no result.

import { logAxis } from "./axis.ts";
import { element, type Markup } from "./markup.ts";

export interface ForestRow {
  readonly name: string;
  readonly low: number;
  readonly mid: number;
  readonly high: number;
  /** The goal, if there is one: a tick on the row. */
  readonly goal?: number;
}

const width = 480;
const left = 26;
/** The figures have a column of their own: beside an interval they would stand elsewhere in each row. */
const figures = 172;
const top = 4;
const bottom = 46;
/** Letters that fit across, as large as a phone shows them. */
const letters = 54;
const lineHeight = 16;

/** Names stand above their intervals: beside them they would take half of a phone's width. */
export function forest(title: string, label: string, rows: readonly ForestRow[]): Markup {
  const axis = logAxis(label, [0.9, 1.1, ...rows.flatMap((row) => [row.low, row.high, row.goal ?? 1])]);
  const across = (value: number) => {
    const place = value > 0 ? Math.min(1, Math.max(0, axis.place(value))) : 0;
    return left + place * (width - left - figures - 8);
  };
  const drawn: Markup[] = [];
  let y = top;
  for (const row of rows) {
    const names = wrapped(row.name);
    drawn.push(rowOf(row, names, y, across));
    y += names.length * lineHeight + 28;
  }
  return element(
    "svg",
    { viewBox: `0 0 ${width} ${y + bottom}`, role: "img", class: "plot" },
    element("title", {}, title),
    axis.ticks.map(({ value, text }) => [
      element("path", { class: "grid", d: `M${px(across(value))} ${top}V${y}` }),
      element("text", { x: across(value), y: y + 16, "text-anchor": "middle" }, text),
    ]),
    element("path", { class: "one", d: `M${px(across(1))} ${top}V${y}` }),
    element("text", { class: "label", x: 4, y: y + 40 }, label),
    drawn,
  );
}

const px = (value: number) => Number(value.toFixed(2));

function rowOf(
  row: ForestRow,
  names: readonly string[],
  y: number,
  across: (value: number) => number,
): Markup {
  const middle = y + names.length * lineHeight + 11;
  const at = across(row.mid);
  return element(
    "g",
    {},
    names.map((name, line) => element("text", { class: "over", x: 4, y: y + 13 + line * lineHeight }, name)),
    row.goal === undefined
      ? undefined
      : element("path", { class: "goal", d: `M${px(across(row.goal))} ${middle - 8}v16` }),
    element("path", { class: "interval", d: `M${px(across(row.low))} ${middle}H${px(across(row.high))}` }),
    element("rect", { class: "centre", x: at - 4, y: middle - 4, width: 8, height: 8 }),
    element(
      "text",
      { class: "value", x: width - 4, y: middle + 5, "text-anchor": "end" },
      `${digits(row.mid)} [${digits(row.low)}, ${digits(row.high)}]`,
    ),
  );
}

/** SVG breaks no lines. */
function wrapped(text: string): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1) as string;
    if (line !== "" && line.length + 1 + word.length > letters) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}

/** Three digits, as ratios between a hundredth and a hundred need them. */
export const digits = (value: number): string =>
  !Number.isFinite(value) ? "–" : value >= 100 ? value.toFixed(0) : value.toPrecision(3);

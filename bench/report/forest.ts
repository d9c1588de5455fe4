// A forest plot: ratios with their intervals on a logarithmic axis around 1, as SVG; knows no result.

import { logAxis } from "./axis.ts";
import { type Look, markOf } from "./look.ts";
import { element, type Markup } from "./markup.ts";

export interface ForestInterval {
  readonly low: number;
  readonly mid: number;
  readonly high: number;
  /** Whose it is, where a row has several. */
  readonly look?: Look;
}

export interface ForestRow {
  readonly name: string;
  /** One beneath the other. */
  readonly intervals: readonly ForestInterval[];
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
const intervalHeight = 18;
const plain: Look = { colour: "c0", dash: "", mark: "square" };

/** Names stand above their intervals: beside them they would take half of a phone's width. */
export function forest(title: string, label: string, rows: readonly ForestRow[]): Markup {
  const axis = logAxis(label, [0.9, 1.1, ...rows.flatMap(valuesOf)]);
  const across = (value: number) => {
    const place = value > 0 ? Math.min(1, Math.max(0, axis.place(value))) : 0;
    return left + place * (width - left - figures - 8);
  };
  const drawn: Markup[] = [];
  let y = top;
  for (const row of rows) {
    const names = wrapped(row.name);
    drawn.push(rowOf(row, names, y, across));
    y += names.length * lineHeight + row.intervals.length * intervalHeight + 8;
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

const valuesOf = ({ intervals, goal = 1 }: ForestRow): number[] => [
  goal,
  ...intervals.flatMap(({ low, high }) => [low, high]),
];

const px = (value: number) => Number(value.toFixed(2));

function rowOf(
  row: ForestRow,
  names: readonly string[],
  y: number,
  across: (value: number) => number,
): Markup {
  const from = y + names.length * lineHeight + 11;
  const until = row.intervals.length * intervalHeight;
  return element(
    "g",
    {},
    names.map((name, line) => element("text", { class: "over", x: 4, y: y + 13 + line * lineHeight }, name)),
    row.goal === undefined
      ? undefined
      : element("path", { class: "goal", d: `M${px(across(row.goal))} ${from - 9}v${until}` }),
    row.intervals.map((interval, place) => intervalOf(interval, from + place * intervalHeight, across)),
  );
}

function intervalOf(
  { low, mid, high, look = plain }: ForestInterval,
  y: number,
  across: (value: number) => number,
): Markup[] {
  return [
    element("path", { class: `${look.colour} interval`, d: `M${px(across(low))} ${y}H${px(across(high))}` }),
    markOf(look, across(mid), y),
    element(
      "text",
      { class: "value", x: width - 4, y: y + 5, "text-anchor": "end" },
      `${digits(mid)} [${digits(low)}, ${digits(high)}]`,
    ),
  ];
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

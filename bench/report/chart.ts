// A plot of lines and marks over two axes, as SVG; knows no result.

import type { Axis } from "./axis.ts";
import { type Look, markOf } from "./look.ts";
import { element, type Markup } from "./markup.ts";

export interface PlotPoint {
  readonly x: number;
  readonly y: number;
  /** The ends of the spread, drawn as a whisker. */
  readonly low?: number;
  readonly high?: number;
  /** Too few samples to be relied on: the mark is hollow. */
  readonly isRough?: boolean;
}

export interface Series {
  readonly name: string;
  readonly look: Look;
  readonly points: readonly PlotPoint[];
  /** `marks`: no line. `line`: no marks, as a model has none. `sparse`: few marks, for lines of many points. */
  readonly draw?: "both" | "marks" | "line" | "sparse";
}

/** Something worth a word at a value of the abscissa, on a line of the look's. */
export interface Note {
  readonly x: number;
  /** Absent where the legend has it. */
  readonly text?: string;
  readonly look?: Look;
}

/** A horizontal line that is no measurement: a bound, a goal. */
export interface Bound {
  readonly y: number;
  readonly text: string;
}

export interface ChartParts {
  /** What the picture shows, for those who don't see it. */
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly notes?: readonly Note[];
  readonly bounds?: readonly Bound[];
}

/** Makes an axis that the values fit on. */
type Scale = (values: readonly number[]) => Axis;

/** A chart on axes made for what is drawn, spreads included; undefined where there is nothing to draw. */
export function chartOf({
  x,
  y,
  ...parts
}: Omit<ChartParts, "x" | "y"> & { readonly x: Scale; readonly y: Scale }): Markup | undefined {
  const points = parts.series.flatMap((one) => one.points);
  if (points.length === 0) return undefined;
  return chart({ ...parts, x: x(points.map((point) => point.x)), y: y(points.flatMap(spreadOf)) });
}

const spreadOf = ({ y, low, high }: PlotPoint): number[] => [y, low ?? y, high ?? y];

/** Drawn small and shown larger, so that letters stay readable on a phone: see the page's style sheet. */
export const size = { width: 480, height: 330, left: 62, right: 26, top: 26, bottom: 54 } as const;
const plot = { width: size.width - size.left - size.right, height: size.height - size.top - size.bottom };

export function chart({ title, x, y, series, notes = [], bounds = [] }: ChartParts): Markup {
  const across = (value: number) => size.left + x.place(value) * plot.width;
  const up = (value: number) => size.top + (1 - y.place(value)) * plot.height;
  const isInside = (point: PlotPoint) => Number.isFinite(across(point.x)) && Number.isFinite(up(point.y));
  return element(
    "svg",
    { viewBox: `0 0 ${size.width} ${size.height}`, role: "img", class: "plot" },
    element("title", {}, title),
    grid(x, y, across, up),
    bounds
      .filter(({ y: at }) => y.place(at) >= 0 && y.place(at) <= 1)
      .map(({ y: at, text }) => [
        element("path", { class: "bound", d: `M${size.left} ${px(up(at))}H${size.width - size.right}` }),
        element("text", { class: "note", x: size.left + 4, y: up(at) - 4 }, text),
      ]),
    notes.filter(({ x: at }) => x.place(at) >= 0 && x.place(at) <= 1).map((note) => noteOf(note, across)),
    series.map((one) => seriesOf({ ...one, points: one.points.filter(isInside) }, across, up)),
  );
}

const px = (value: number) => Number(value.toFixed(2));

function grid(x: Axis, y: Axis, across: (value: number) => number, up: (value: number) => number): Markup[] {
  const bottom = size.top + plot.height;
  return [
    ...y.ticks.map(({ value, text }) =>
      element(
        "g",
        {},
        element("path", { class: "grid", d: `M${size.left} ${px(up(value))}H${size.width - size.right}` }),
        element("text", { x: size.left - 6, y: up(value) + 4, "text-anchor": "end" }, text),
      ),
    ),
    ...x.ticks.map(({ value, text }) =>
      element(
        "g",
        {},
        element("path", { class: "grid", d: `M${px(across(value))} ${size.top}V${bottom}` }),
        element("text", { x: across(value), y: bottom + 17, "text-anchor": "middle" }, text),
      ),
    ),
    element("path", { class: "axis", d: `M${size.left} ${size.top}V${bottom}H${size.width - size.right}` }),
    element("text", { class: "label", x: 4, y: 14 }, y.label),
    element(
      "text",
      { class: "label", x: size.width - size.right, y: size.height - 8, "text-anchor": "end" },
      x.label,
    ),
  ];
}

function noteOf({ x, text, look }: Note, across: (value: number) => number): Markup {
  const at = across(x);
  const isRight = at > size.left + plot.width * 0.6;
  const place = { x: at + (isRight ? -4 : 4), y: size.top + 12, "text-anchor": isRight ? "end" : "start" };
  return element(
    "g",
    { class: look?.colour },
    element("path", { class: "knee", d: `M${px(at)} ${size.top}V${size.top + plot.height}` }),
    text === undefined ? undefined : element("text", { class: "note", ...place }, text),
  );
}

/** About as many marks as tell lines apart that have hundreds of points. */
const fewMarks = 7;

function seriesOf(
  { name, look, points, draw = "both" }: Series,
  across: (value: number) => number,
  up: (value: number) => number,
): Markup {
  const line = points.map(({ x, y }) => `${px(across(x))} ${px(up(y))}`).join("L");
  const whisker = ({ x, low, high }: PlotPoint) => {
    if (low === undefined || high === undefined) return undefined;
    const ends = [up(low), up(high)];
    if (!ends.every(Number.isFinite)) return undefined;
    return element("path", {
      class: `${look.colour} whisker`,
      d: `M${px(across(x))} ${ends.map(px).join("V")}`,
    });
  };
  return element(
    "g",
    {},
    draw === "marks" || points.length < 2
      ? undefined
      : element("path", {
          class: `${look.colour} line`,
          d: `M${line}`,
          "stroke-dasharray": look.dash === "" ? undefined : look.dash,
        }),
    markedOf(points, draw).map((point) => [
      whisker(point),
      markOf(look, across(point.x), up(point.y), point.isRough, hintOf(name, point)),
    ]),
  );
}

function markedOf(points: readonly PlotPoint[], draw: Series["draw"]): readonly PlotPoint[] {
  if (draw === "line") return [];
  const every = draw === "sparse" ? Math.ceil(points.length / fewMarks) : 1;
  return points.filter((_, place) => place % every === 0);
}

const hintOf = (name: string, { x, y }: PlotPoint) =>
  `${name}: ${Number(y.toPrecision(4))} at ${Number(x.toPrecision(4))}`;

/** What each line is, beneath the plot, where a phone has room for it. */
export function legend(series: readonly Pick<Series, "name" | "look">[]): Markup {
  return element(
    "ul",
    { class: "legend" },
    series.map(({ name, look }) =>
      element(
        "li",
        {},
        element(
          "svg",
          { viewBox: "0 0 34 12", "aria-hidden": "true" },
          element("path", {
            class: `${look.colour} line`,
            d: "M1 6H33",
            "stroke-dasharray": look.dash === "" ? undefined : look.dash,
          }),
          markOf(look, 17, 6),
        ),
        name,
      ),
    ),
  );
}

// How a target looks in every plot: a colour, a dash and a mark, so that nobody needs the colour to tell two apart.

import { element, type Markup } from "./markup.ts";

export type Mark = "circle" | "square" | "triangle" | "wedge" | "diamond" | "cross" | "plus" | "ring";

export interface Look {
  /** A CSS class of the page's style sheet, which gives it a colour for light and one for dark. */
  readonly colour: `c${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7}`;
  /** `stroke-dasharray`; empty: a solid line. */
  readonly dash: string;
  readonly mark: Mark;
}

const known: Readonly<Record<string, Look>> = {
  "fanwire-bun": { colour: "c0", dash: "", mark: "circle" },
  "fanwire-uws": { colour: "c1", dash: "8 3", mark: "square" },
  guide: { colour: "c2", dash: "5 3", mark: "triangle" },
  "socket.io": { colour: "c3", dash: "8 3 2 3", mark: "diamond" },
  centrifugo: { colour: "c4", dash: "11 4", mark: "wedge" },
  "bare-bun": { colour: "c5", dash: "2 3", mark: "ring" },
  "bare-uws": { colour: "c6", dash: "2 3 6 3", mark: "plus" },
  "raw-floor": { colour: "c7", dash: "1 3", mark: "cross" },
};

const spare: readonly Look[] = [
  { colour: "c0", dash: "", mark: "circle" },
  { colour: "c2", dash: "6 3", mark: "triangle" },
  { colour: "c4", dash: "2 3", mark: "square" },
  { colour: "c3", dash: "9 3 2 3", mark: "diamond" },
  { colour: "c1", dash: "11 4", mark: "wedge" },
  { colour: "c5", dash: "4 2 1 2", mark: "plus" },
  { colour: "c6", dash: "1 3", mark: "cross" },
  { colour: "c7", dash: "3 5", mark: "ring" },
];

/** One look for each line of a plot: a target's own while nobody else in the plot has it, else the next spare one. */
export function looksOf(targets: readonly string[]): Look[] {
  const taken = new Set<Look>();
  const same = (left: Look, right: Look) => left.mark === right.mark && left.dash === right.dash;
  return targets.map((target) => {
    const own = known[target];
    const isFree = (look: Look) => [...taken].every((other) => !same(look, other));
    const look =
      own !== undefined && isFree(own)
        ? own
        : (spare.find((one) => isFree(one) && [...taken].every(({ mark }) => mark !== one.mark)) ??
          spare[taken.size % spare.length]!);
    taken.add(look);
    return look;
  });
}

/** The looks of lines that are parts of one thing, as percentiles are. */
export const partLooks = (count: number): Look[] =>
  Array.from({ length: count }, (_, place) => spare[place % spare.length]!);

/** A mark at a place. A hollow one stands on too few samples to be relied on. */
export function markOf({ colour, mark }: Look, x: number, y: number, hollow = false, hint?: string): Markup {
  const r = 4.5;
  const title = hint === undefined ? undefined : element("title", {}, hint);
  const open = hollow || mark === "ring" || mark === "cross" || mark === "plus";
  const attributes = { class: `${colour} mark${open ? " hollow" : ""}` };
  const path = (d: string) => element("path", { ...attributes, d }, title);
  const at = (dx: number, dy: number) => `${Number((x + dx).toFixed(2))} ${Number((y + dy).toFixed(2))}`;
  const polygon = (...corners: (readonly [number, number])[]) =>
    path(`M${corners.map(([dx, dy]) => at(dx * r, dy * r)).join("L")}Z`);
  switch (mark) {
    case "circle":
    case "ring":
      return element("circle", { ...attributes, cx: x, cy: y, r: r - 0.5 }, title);
    case "square":
      return polygon([-0.8, -0.8], [0.8, -0.8], [0.8, 0.8], [-0.8, 0.8]);
    case "triangle":
      return polygon([0, -1.1], [1, 0.8], [-1, 0.8]);
    case "wedge":
      return polygon([0, 1.1], [1, -0.8], [-1, -0.8]);
    case "diamond":
      return polygon([0, -1.2], [1.1, 0], [0, 1.2], [-1.1, 0]);
    case "cross":
      return path(`M${at(-r, -r)}L${at(r, r)}M${at(-r, r)}L${at(r, -r)}`);
    case "plus":
      return path(`M${at(-r, 0)}L${at(r, 0)}M${at(0, -r)}L${at(0, r)}`);
  }
}

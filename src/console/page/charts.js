// Small charts of a value over the last minutes, as SVG: a line with its area, a gap where nothing is known, a cursor to read by.

import { drawn, part, say } from "./elements.js";

export const shownMs = 300_000;
const width = 300;
const height = 56;
const paddingTop = 4;
const ground = height - 1; // Where zero is, so that its line is seen.
const gapMs = 4_000; // Samples further apart than this are not joined.

/** The least of 1, 2, 5, 10, 20… that is not under a value. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999_999) ?? 10 * power;
}

/** Runs of points without a gap, as SVG paths: one for the line, one for the area under it. */
export function paths(points, x, y) {
  let line = "";
  let area = "";
  let run = [];
  const end = () => {
    if (run.length === 0) return;
    const steps = run.map(({ timestamp, value }) => `${x(timestamp).toFixed(1)},${y(value).toFixed(1)}`);
    line += `M${steps.join("L")}`;
    const [from, to] = [x(run[0].timestamp), x(run.at(-1).timestamp)];
    area += `M${from.toFixed(1)},${height}L${steps.join("L")}L${to.toFixed(1)},${height}Z`;
    run = [];
  };
  for (const point of points) {
    if (run.length > 0 && point.timestamp - run.at(-1).timestamp > gapMs) end();
    run.push(point);
  }
  end();
  return { line, area };
}

export class Chart {
  element;
  #label;
  #words;
  #least;
  #svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" });
  #area = drawn("path", { class: "area" });
  #line = drawn("path", { class: "line" });
  #marks = drawn("path", { class: "mark" });
  #cursor = drawn("path", { class: "cursor" });
  #value = part("output", "value", "–");
  #top = part("span", "top small");
  #when = part("span", "when small");
  #points = [];
  #endMs = 0;
  #pointedAt = null; // Where the pointer is, from 0 to 1.

  /** `words(value)`: as people read it. `least`: the smallest scale. `onPoint(place)`: a pointer is there, or nowhere (null). */
  constructor({ label, hint, words, least = 1 }, onPoint) {
    this.#label = label;
    this.#words = words;
    this.#least = least;
    this.#value.ariaLive = "off";
    this.#value.ariaLabel = label;
    this.#svg.append(this.#area, this.#marks, this.#line, this.#cursor);
    const head = part("div", "chart-head", "", [part("h3", "", label), this.#top]);
    this.element = part("div", "chart", "", [head, this.#value, this.#when, this.#svg]);
    if (hint) this.element.title = hint;
    this.#svg.addEventListener("pointermove", ({ clientX }) => {
      const box = this.#svg.getBoundingClientRect();
      onPoint(Math.min(1, Math.max(0, (clientX - box.left) / box.width)));
    });
    this.#svg.addEventListener("pointerleave", () => onPoint(null));
  }

  /** `points`: `{ timestamp, value }`, oldest first. `marks`: moments to draw a line at. */
  draw(points, endMs, marks = []) {
    this.#points = points;
    this.#endMs = endMs;
    const most = points.reduce((max, { value }) => Math.max(max, value), 0);
    const scale = roundUp(Math.max(most, this.#least));
    const x = (timestamp) => width - ((endMs - timestamp) / shownMs) * width;
    const y = (value) => ground - (value / scale) * (ground - paddingTop);
    const { line, area } = paths(points, x, y);
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
    this.#marks.setAttribute("d", marks.map((at) => `M${x(at).toFixed(1)},0V${height}`).join(""));
    const [now, max] = [this.#words(points.at(-1)?.value), this.#words(most)];
    say(this.#top, points.length > 0 ? `max ${max}` : "");
    this.#svg.setAttribute("aria-label", `${this.#label}, the last five minutes: now ${now}, at most ${max}`);
    this.point(this.#pointedAt);
  }

  /** Reads the chart at a place, or at its end. */
  point(place) {
    this.#pointedAt = place;
    const at = this.#endMs - (1 - place) * shownMs;
    const point = place === null ? this.#points.at(-1) : nearest(this.#points, at);
    say(this.#value, this.#words(point?.value));
    const isRead = place !== null && point !== undefined;
    say(this.#when, isRead ? new Date(point.timestamp).toLocaleTimeString() : "");
    this.#cursor.setAttribute("d", isRead ? `M${(place * width).toFixed(1)},0V${height}` : "");
  }
}

function nearest(points, at) {
  const found = points.findLast(({ timestamp }) => timestamp <= at);
  return found && at - found.timestamp <= gapMs ? found : undefined;
}

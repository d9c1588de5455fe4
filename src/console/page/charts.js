// Small charts of a value over the last minutes, as SVG: a line with its area, a gap where nothing is known, a cursor to read by.

import { drawn, part, say } from "./elements.js";

const width = 300;
const height = 56;
const paddingTop = 4;
const ground = height - 1; // Where zero is, so that its line is seen.
const gapMs = 4_000; // Samples further apart than this are not joined.

/** Runs of points without a gap, as SVG paths: one for the line, one for the area under it. */
function paths(points, x, y) {
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
  #note = part("span", "small"); // The most there was, or when it was what is read.
  #most = "";
  #points = [];
  #endMs = 0;
  #spanMs = 0;
  #pointedAt = null; // Where the pointer is, from 0 to 1.

  /** `words(value)`: as people read it. `least`: the smallest scale. `onPoint(place)`: a pointer is there, or nowhere (null). */
  constructor({ label, hint, words, least = 1 }, onPoint) {
    this.#label = label;
    this.#words = words;
    this.#least = least;
    this.#value.ariaLive = "off";
    this.#value.ariaLabel = label;
    this.#svg.append(this.#area, this.#marks, this.#line, this.#cursor);
    const figures = part("div", "figures", "", [this.#value, this.#note]);
    this.element = part("div", "chart", "", [part("h3", "", label), figures, this.#svg]);
    if (hint) this.element.title = hint;
    this.#svg.addEventListener("pointermove", ({ clientX }) => {
      const box = this.#svg.getBoundingClientRect();
      onPoint(Math.min(1, Math.max(0, (clientX - box.left) / box.width)));
    });
    this.#svg.addEventListener("pointerleave", () => onPoint(null));
  }

  /** `points`: `{ timestamp, value }`, oldest first; drawn is the span up to `endMs`. `marks`: moments to draw a line at. */
  draw(points, { endMs, spanMs, marks }) {
    this.#points = points.filter(({ timestamp }) => timestamp >= endMs - spanMs);
    this.#endMs = endMs;
    this.#spanMs = spanMs;
    this.#trace(marks);
    this.point(this.#pointedAt);
  }

  #trace(marks) {
    const [points, endMs, spanMs] = [this.#points, this.#endMs, this.#spanMs];
    const most = points.reduce((max, { value }) => Math.max(max, value), 0);
    const scale = Math.max(most, this.#least) * 1.05;
    const x = (timestamp) => width - ((endMs - timestamp) / spanMs) * width;
    const y = (value) => ground - (value / scale) * (ground - paddingTop);
    const { line, area } = paths(points, x, y);
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
    this.#marks.setAttribute("d", marks.map((at) => `M${x(at).toFixed(1)},0V${height}`).join(""));
    const [now, max] = [this.#words(points.at(-1)?.value), this.#words(most)];
    this.#most = points.length > 0 ? `max ${max}` : "";
    this.#svg.setAttribute("aria-label", `${this.#label} over time: now ${now}, at most ${max}`);
  }

  /** Reads the chart at a place, or at its end. */
  point(place) {
    this.#pointedAt = place;
    const at = this.#endMs - (1 - place) * this.#spanMs;
    const point = place === null ? this.#points.at(-1) : nearest(this.#points, at);
    say(this.#value, this.#words(point?.value));
    const isRead = place !== null && point !== undefined;
    say(this.#note, isRead ? new Date(point.timestamp).toLocaleTimeString() : this.#most);
    this.#cursor.setAttribute("d", isRead ? `M${(place * width).toFixed(1)},0V${height}` : "");
  }
}

function nearest(points, at) {
  const found = points.findLast(({ timestamp }) => timestamp <= at);
  return found && at - found.timestamp <= gapMs ? found : undefined;
}

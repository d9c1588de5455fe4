// The round trip of a ping, measured and drawn in the page's head.

import { $ } from "./elements.js";

const drawnRoundTrips = 40;
const keptMs = 300_000;

export class Latency {
  /** `{ timestamp, roundTripMs }` of the last five minutes. */
  samples = [];
  #connection;

  constructor(connection) {
    this.#connection = connection;
  }

  async measure() {
    const sentAt = performance.now();
    try {
      await this.#connection().client.ping();
    } catch {
      return;
    }
    const timestamp = Date.now();
    this.samples.push({ timestamp, roundTripMs: performance.now() - sentAt });
    while (this.samples[0].timestamp < timestamp - keptMs) this.samples.shift();
    this.#draw(this.samples.slice(-drawnRoundTrips).map(({ roundTripMs }) => roundTripMs));
  }

  /** There is no connection to measure. */
  pause() {
    $("latency").querySelector("output").textContent = "– ms";
  }

  #draw(roundTrips) {
    const median = roundTrips.toSorted((a, b) => a - b)[roundTrips.length >> 1];
    $("latency").querySelector("output").textContent = inMs(roundTrips.at(-1));
    $("median").textContent = `median ${inMs(median)}`;
    const top = Math.max(1, ...roundTrips);
    const right = 120 - (roundTrips.length - 1) * 3;
    const points = roundTrips.map((value, index) => `${right + index * 3},${26 - (value / top) * 24}`);
    $("spark").querySelector("polyline").setAttribute("points", points.join(" "));
  }
}

function inMs(value) {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

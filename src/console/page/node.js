// The view `Node`: asks for the node's state once a second while somebody looks, and draws it.

import { Chart } from "./charts.js";
import { $, part, say, settings } from "./elements.js";
import { forget, keep, recall } from "./secrets.js";
import { Table } from "./tables.js";

const pollEveryMs = 1_000;
const patienceMs = 5_000;
const noticeShownMs = 60_000;
const leastSpanMs = 60_000;
const keptMs = 300_000;

const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const count = (value) => {
  if (value < 100) return number.format(value);
  return (value < 10_000 ? whole : short).format(value);
};
const known = (words) => (value) => (value === undefined ? "–" : words(value));

function bytes(value) {
  if (value < 1024) return `${value} B`;
  const power = Math.min(3, Math.floor(Math.log2(value) / 10));
  const scaled = value / 1024 ** power;
  return `${(scaled < 10 ? number : whole).format(scaled)} ${["B", "KB", "MB", "GB"][power]}`;
}

function milliseconds(value) {
  if (value >= 1_000) return `${number.format(value / 1_000)} s`;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function duration(ms) {
  const [seconds, minutes, hours] = [ms / 1_000, ms / 60_000, ms / 3_600_000].map(Math.floor);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min`;
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`;
}

const loadCharts = [
  { read: "connections", label: "Connections", words: known(count) },
  {
    read: "publicationsPerSecond",
    label: "Publications / s",
    words: known(count),
    hint: "Publications of topics that somebody on this node listens to",
  },
  {
    read: "deliveriesPerSecond",
    label: "Deliveries / s",
    words: known(count),
    hint: "Publications times the subscribers they were sent to",
  },
  {
    read: "delayMs",
    label: "Loop delay",
    words: known(milliseconds),
    least: 10,
    hint: "Of the event loop: the longest in each second",
  },
  {
    read: "cpuShare",
    label: "CPU",
    words: known((share) => `${Math.round(share * 100)} %`),
    least: 0.1,
    hint: "Of the process; 100 % is one core",
  },
  { read: "memoryBytes", label: "Memory", words: known(bytes), hint: "Resident memory of the process" },
  {
    read: "bufferedBytes",
    label: "Buffered",
    words: known(bytes),
    least: 1024,
    hint: "Bytes that wait in all sockets",
  },
];
const roundTrip = { label: "Round trip", words: known(milliseconds), hint: "Of a ping from this page" };

export class NodeView {
  #latency;
  #charts = new Map();
  #latencyChart;
  #topics;
  #connections;
  #order = "subscribers";
  #samples = [];
  #restarts = [];
  #instance; // Of which node, and since when it runs.
  #notice; // What happened to the node, said for a while.
  #failedAt = null;
  #isShown = false;
  #isPolling = false;
  #wake = () => undefined;

  /** `choose(topic)`: somebody wants to try a topic. */
  constructor(latency, choose) {
    this.#latency = latency;
    this.#drawCharts();
    const topicColumns = [
      {
        name: "Topic",
        order: "name",
        className: "name mono",
        cell: (row) => row.topic,
        act: (row) => choose(row.topic),
      },
      { name: "Mode", className: "wide", cell: (row) => row.mode },
      {
        name: "Subscribers",
        order: "subscribers",
        className: "figure",
        cell: (row) => count(row.subscribers),
      },
      { name: "Per second", order: "rate", className: "figure", cell: (row) => count(row.perSecond) },
      { name: "Offset", className: "figure wide", cell: (row) => String(row.offset ?? "–") },
    ];
    const connectionColumns = [
      { name: "User", className: "name mono", cell: (row) => row.userId ?? "not authenticated yet" },
      { name: "Format", className: "wide", cell: (row) => row.format },
      { name: "Topics", className: "figure wide", cell: (row) => count(row.subscriptions) },
      { name: "Buffered", className: "figure", cell: (row) => bytes(row.bufferedBytes) },
      {
        name: "Behind",
        className: "figure behind",
        cell: (row) => (row.behindMs === undefined ? "no" : `for ${duration(row.behindMs)}`),
      },
    ];
    this.#topics = new Table($("topics-table"), topicColumns, {
      empty: "No topic.",
      onOrder: (order) => this.#orderBy(order),
    });
    this.#topics.ordered(this.#order);
    this.#connections = new Table($("connections-table"), connectionColumns, { empty: "No connection." });
    this.#listen();
  }

  /** Whether somebody looks. */
  watch(isShown) {
    this.#isShown = isShown;
    if (this.#isLookedAt && !this.#isPolling) void this.#run();
    else this.#wake();
  }

  get #isLookedAt() {
    return this.#isShown && !document.hidden;
  }

  #drawCharts() {
    const all = () => [...this.#charts.values(), this.#latencyChart];
    const point = (place) => {
      for (const chart of all()) chart.point(place);
    };
    for (const chart of loadCharts) this.#charts.set(chart.read, new Chart(chart, point));
    this.#latencyChart = new Chart(roundTrip, point);
    this.#latencyChart.element.classList.add("needs-socket");
    $("charts").append(...all().map(({ element }) => element));
  }

  #orderBy(order) {
    this.#order = order;
    this.#topics.ordered(order);
    this.#wake();
  }

  #listen() {
    document.addEventListener("visibilitychange", () => this.watch(this.#isShown));
    for (const id of ["topics-filter", "users-filter"]) $(id).addEventListener("input", () => this.#wake());
    $("key-form").addEventListener("submit", (event) => {
      event.preventDefault();
      keep("api-key", $("api-key").value.trim());
      $("api-key").value = "";
      this.#wake();
    });
  }

  async #run() {
    this.#isPolling = true;
    while (this.#isLookedAt) {
      const isWaitingForKey = settings.has("key") && recall("api-key") === undefined;
      if (isWaitingForKey) this.#askForKey();
      else await this.#poll();
      await this.#pause();
    }
    this.#isPolling = false;
  }

  #pause() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pollEveryMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #poll() {
    const query = new URLSearchParams({
      since: this.#samples.at(-1)?.timestamp ?? 0,
      order: this.#order,
      topics: $("topics-filter").value,
      users: $("users-filter").value,
    });
    const key = recall("api-key");
    try {
      const response = await fetch(`/console/state?${query}`, {
        headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
        cache: "no-store",
        signal: AbortSignal.timeout(patienceMs),
      });
      if (response.status === 401) return this.#refused();
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.#show(await response.json());
    } catch (error) {
      this.#fail(error);
    }
  }

  #askForKey() {
    $("told").hidden = true;
    if (!$("key-form").hidden) return;
    $("key-form").hidden = false;
    $("api-key").focus();
  }

  #refused() {
    forget("api-key");
    this.#askForKey();
    $("key-problem").textContent = "The node does not know this key.";
  }

  #fail(error) {
    this.#failedAt ??= Date.now();
    const why =
      error instanceof TypeError ? "" : ` (${error.name === "TimeoutError" ? "too slow" : error.message})`;
    const sinceWhen = new Date(this.#failedAt).toLocaleTimeString();
    this.#tell("bad", `The node has not answered since ${sinceWhen}${why}. Trying again…`);
    $("told").classList.add("stale");
  }

  #tell(tone, words) {
    $("node-state").className = tone;
    say($("node-state"), words);
  }

  #show(state) {
    $("key-form").hidden = true;
    $("key-problem").textContent = "";
    $("told").hidden = false;
    $("told").classList.remove("stale");
    this.#recognise(state);
    this.#showAbout(state);
    this.#showLoad(state);
    this.#showTopics(state.topics);
    this.#showConnections(state.connections, state.behind);
    for (const name of ["closed", "errors", "refused"]) showCounts($(name), state[name]);
  }

  /** Notices that the node was away, that it is another one, or that it began anew. */
  #recognise({ nodeId, startedAt }) {
    const before = this.#instance;
    this.#instance = { nodeId, startedAt };
    const wasAway = this.#failedAt !== null;
    this.#failedAt = null;
    if (before === undefined) return;
    const isSame = before.startedAt === startedAt;
    if (!isSame) this.#restarts.push(startedAt);
    if (isSame && !wasAway) return;
    const restarted = `The node restarted at ${new Date(startedAt).toLocaleTimeString()}: counts begin anew.`;
    this.#notice = {
      text: isSame ? "The node answers again." : restarted,
      until: Date.now() + noticeShownMs,
    };
  }

  #showAbout({ nodeId, version, engine, runtime, mode, timestamp, startedAt, isDraining, bridgeIsAlive }) {
    say($("node-name"), nodeId);
    const sockets = engine === "uws" ? "uWebSockets.js" : "Bun.serve";
    const facts = [
      `fanwire ${version}`,
      `${sockets} on ${runtime}`,
      `${mode} mode`,
      `up ${duration(timestamp - startedAt)}`,
    ];
    say($("node-facts"), facts.join(" · "));
    if (isDraining) this.#tell("warn", "Draining: it takes nobody in and sends everybody away.");
    else if (!bridgeIsAlive) this.#tell("bad", "The bridge between nodes is not proven alive.");
    else if (this.#notice?.until > Date.now()) this.#tell("warn", this.#notice.text);
    else this.#tell("good", "Live");
  }

  #showLoad({ load, timestamp }) {
    this.#samples.push(...load);
    while (this.#samples[0]?.timestamp < timestamp - keptMs) this.#samples.shift();
    const knownMs = timestamp - (this.#samples[0]?.timestamp ?? timestamp);
    const spanMs = Math.max(leastSpanMs, knownMs);
    const minutes = Math.round(spanMs / 60_000);
    say($("load-span"), minutes === 1 ? "the last minute" : `the last ${minutes} minutes`);
    for (const [name, chart] of this.#charts) {
      const points = this.#samples.map((sample) => ({ timestamp: sample.timestamp, value: sample[name] }));
      chart.draw(points, { endMs: timestamp, spanMs, marks: this.#restarts });
    }
    const points = this.#latency.samples.map((sample) => ({ ...sample, value: sample.roundTripMs }));
    this.#latencyChart.draw(points, { endMs: Date.now(), spanMs, marks: this.#restarts });
  }

  #showTopics({ total, matching, isWhole, rows }) {
    const isFiltered = $("topics-filter").value !== "";
    say($("topics-count"), counted({ total, matching, isWhole, isFiltered, shown: rows.length }));
    this.#topics.show(rows);
  }

  #showConnections({ total, matching, isWhole, rows }, behind) {
    const isFiltered = $("users-filter").value !== "";
    const all = counted({ total, matching, isWhole, isFiltered, shown: rows.length });
    say($("connections-count"), behind === 0 ? all : `${all}, ${count(behind)} behind`);
    this.#connections.show(
      rows.map((row) => ({ ...row, className: row.behindMs === undefined ? "" : "is-behind" })),
    );
  }
}

function counted({ total, matching, isWhole, isFiltered, shown }) {
  const all = isFiltered ? `${count(matching)} of ${count(total)}` : count(total);
  if (!isWhole && matching > 0) return `${all}, still looking`;
  return matching > shown && shown > 0 ? `${all}, first ${shown} shown` : all;
}

/** Reasons, the most frequent first. */
function showCounts(list, counts) {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  const rows = sorted.flatMap(([name, times]) => [part("dt", "mono", name), part("dd", "", count(times))]);
  const text = rows.map(({ textContent }) => textContent).join(" ");
  if (list.dataset.shown === text) return;
  list.dataset.shown = text;
  list.replaceChildren(...(rows.length > 0 ? rows : [part("dt", "small", "none so far")]));
}

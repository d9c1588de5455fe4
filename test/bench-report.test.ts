// The report: well formed, free of what a result could smuggle in, true to its numbers, and silent where flags forbid a headline.

import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { linearAxis, logAxis } from "../bench/report/axis.ts";
import { chart } from "../bench/report/chart.ts";
import { fullestResults, report } from "../bench/report/command.ts";
import { goals, headlineRows } from "../bench/report/headline.ts";
import { load, ResultError } from "../bench/report/load.ts";
import { looksOf } from "../bench/report/look.ts";
import { markdownPart } from "../bench/report/markdown.ts";
import { element, escaped, style } from "../bench/report/markup.ts";
import { page } from "../bench/report/page.ts";
import { kneeOf } from "../bench/report/sections/load.ts";
import type { RunFlag, SuiteResult } from "../bench/suite/result.ts";
import { withBench } from "../scripts/bench-table.ts";
import { syntheticSuite } from "./support/synthetic-suite.ts";
import { wellFormed } from "./support/well-formed.ts";

setDefaultTimeout(60_000);

let suite: SuiteResult;
let html: string;

const pageOf = (result: SuiteResult) => page(result, [{ file: "synthetic.json", suite: result }]);

beforeAll(() => {
  suite = syntheticSuite();
  html = pageOf(suite);
});

describe("the page", () => {
  test("is well formed, as XML is", () => {
    expect(wellFormed(html)).toBe("");
    expect(html.match(/<svg /g)!.length).toBeGreaterThan(40);
  });

  test("needs nothing from anywhere: no script, no picture, no style but its own", () => {
    expect(html).not.toMatch(/<script|<link|<img|<iframe|@import|\bsrc=|\bon[a-z]+="/);
    const addresses = [...html.matchAll(/(?:href|xmlns|url)[=(]"?([^")]*)/g)].map(([, address]) => address);
    const strange = addresses.filter((address) => !/^#|^http:\/\/www\.w3\.org\/1999\/xhtml$/.test(address!));
    expect(strange).toEqual([]);
  });

  test("asks a question for each scenario that was measured, and none for the others", () => {
    const titles = [...html.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id);
    const own = [
      "paired",
      "load",
      "latency",
      "ramp",
      "cost",
      "memory",
      "storm",
      "kill",
      "disconnects",
      "cross",
      "scale",
    ];
    expect(titles).toEqual(["summary", ...own, "trust", "settings", "machine"]);
    const few = pageOf(syntheticSuite({ scenarios: ["memory"], rounds: 2 }));
    expect([...few.matchAll(/<section id="([^"]+)"/g)].map(([, id]) => id)).not.toContain("latency");
  });

  test("names no two things alike, so that an anchor or a pattern is never another's", () => {
    const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(ids.length).toBe(new Set(ids).size);
  });

  test("explains hollow marks, and lists steps that failed", () => {
    expect(html).toContain("a hollow mark in a plot");
    const reason = "Centrifugo ended with 1 before it listened";
    const failure = { target: "centrifugo", scenario: "kill", step: "kill", round: 2, reason } as const;
    expect(html).not.toContain(reason);
    const failed = { ...suite, failures: [failure] };
    expect(pageOf(failed)).toContain(`centrifugo, kill, round 2: ${reason}`);
    expect(markdownPart(failed).introduction).toContain("Ended with an error: centrifugo, kill, round 2.");
  });

  test("has the data of every plot as a table beneath it", () => {
    const figures = html.match(/<figure.*?<\/figure>/gs)!;
    expect(figures.filter((text) => text.includes('class="plot"') && !text.includes("<table>"))).toEqual([]);
  });

  test("names settings, versions, machine, seed and who could not run", () => {
    for (const text of [
      "compression",
      "seed 1",
      "Synthetic",
      "uWebSockets.js is not installed",
      "0123456789ab",
    ]) {
      expect(html).toContain(text);
    }
  });
});

describe("where flags forbid it", () => {
  const flag: RunFlag = { name: "generator-busy", detail: "load generator at 93.0 %", refuses: "everything" };

  test("there is the word invalid instead of a headline, and the reason", () => {
    const all = pageOf(syntheticSuite({ rounds: 2, flagsOf: () => [flag] }));
    const drawn = all.match(/<figure>.*?<\/figure>/gs)!.filter((text) => text.includes('class="plot"'));
    expect(drawn).toEqual([]);
    expect(all).toContain("<strong>invalid</strong>");
    expect(all).toContain("generator-busy (invalid)");
    expect(all).toContain("load generator at 93.0 %");
    expect(wellFormed(all)).toBe("");
  });

  test("an invalid arm has neither line nor figure, and the others have theirs", () => {
    const settings = { rounds: 5, scenarios: ["cpu"] as const };
    const result = syntheticSuite({
      ...settings,
      flagsOf: (_, target) => (target === "guide" ? [flag] : []),
    });
    const text = pageOf(result);
    expect(text).toContain("guide: 5 of 5 runs invalid: generator-busy");
    const bars = text.match(/<svg [^>]*role="img".*?<\/svg>/gs)!.filter((svg) => svg.includes("by process"));
    expect(bars).toHaveLength(3);
    expect(bars.filter((svg) => svg.includes("guide"))).toEqual([]);
    expect(bars.filter((svg) => svg.includes("socket.io"))).toHaveLength(3);
    const rows = markdownPart(result).headline;
    const column = rows[0]!.indexOf("guide");
    expect(rows.slice(1).map((row) => row[column])).toEqual(Array(3).fill("invalid: generator-busy"));
  });

  test("a late publisher takes the latency and leaves the cost", () => {
    const late: RunFlag = { name: "publisher-late", detail: "late", refuses: "latency" };
    const result = syntheticSuite({ rounds: 5, scenarios: ["cpu", "latency"], flagsOf: () => [late] });
    const rows = markdownPart(result).headline.slice(1);
    const cells = (start: string) =>
      rows.filter(([name]) => name!.startsWith(start)).flatMap((row) => row.slice(1));
    expect(new Set(cells("latency"))).toEqual(new Set(["invalid: publisher-late"]));
    expect(cells("CPU").filter((text) => text.startsWith("invalid"))).toEqual([]);
  });

  test("neither a smoke run nor two rounds meet a goal, and four say that they are four", () => {
    const verdicts = (result: SuiteResult) =>
      new Set(
        markdownPart(result)
          .goals.slice(1)
          .map((row) => row.at(-1)),
      );
    const settings = { scenarios: ["cpu"] as const };
    expect(verdicts(syntheticSuite({ ...settings, rounds: 6 }))).toContain("met");
    const refused = new Set(["refused: invalid, or too few rounds"]);
    expect(verdicts(syntheticSuite({ ...settings, rounds: 4 }))).toContain("met, in all 4 rounds");
    expect(verdicts(syntheticSuite({ ...settings, rounds: 2 }))).toEqual(refused);
    expect(verdicts(syntheticSuite({ ...settings, rounds: 6, plan: "smoke" }))).toEqual(refused);
  });
});

describe("a round in which something failed", () => {
  const broken = (
    target: string,
    change: (run: SuiteResult["runs"][number]) => SuiteResult["runs"][number],
  ) => ({
    ...suite,
    runs: suite.runs.map((run) => (run.target.name === target && run.round === 0 ? change(run) : run)),
  });
  const verdictsOf = (result: SuiteResult, start: string) =>
    goals(result)
      .filter(({ what }) => what.startsWith(start))
      .map(({ verdict }) => verdict);

  test("is no round that does not count: who never came back has no figure, and misses the goal", () => {
    const result = broken("fanwire-bun", (run) => {
      if (run.timeline === undefined) return run;
      const receivingMs = { half: 100, most: null, all: null };
      return { ...run, timeline: { ...run.timeline, receivingMs, missing: 200 } };
    });
    const start = "fanwire-bun / centrifugo: storm";
    expect(verdictsOf(suite, start)).toEqual(["met"]);
    expect(verdictsOf(result, start)).toEqual(["missed"]);
    expect(markdownPart(result).headline.flat()).toContain("never in 1 of 6 rounds");
    expect(pageOf(result)).toContain("never in 1 of 6 rounds");
  });

  test("and a percentile that no round is long enough for is no goal at all, while an invalid one is refused", () => {
    const start = "fanwire-bun / centrifugo: latency p99";
    const late: RunFlag = { name: "publisher-late", detail: "late", refuses: "latency" };
    expect(verdictsOf(suite, `${start}.9`)).toEqual([]);
    expect(verdictsOf(suite, `${start},`)).toEqual(["met", "met"]);
    const result = { ...suite, runs: suite.runs.map((run) => ({ ...run, flags: [late] })) };
    expect(verdictsOf(result, `${start},`)).toEqual(["refused", "refused"]);
  });

  test("nor is one without any load within the bound", () => {
    const within = { ms5: false, ms10: false, ms50: false };
    const result = broken("fanwire-bun", (run) =>
      run.capacity === undefined ? run : { ...run, capacity: { ...run.capacity, within } },
    );
    const start = "fanwire-bun / guide: capacity";
    expect(verdictsOf(suite, start)).toHaveLength(1);
    expect(verdictsOf(result, start)).toEqual(["missed"]);
  });
});

describe("strings of a result", () => {
  const evil = `</style><script>alert("1")</script>&'\u0000`;

  test("are text and never markup, wherever they stand", () => {
    const [first] = suite.runs;
    const run = {
      ...first!,
      target: { ...first!.target, name: evil, settings: { [evil]: evil }, versions: { [evil]: evil } },
      workload: { ...first!.workload, name: evil },
      flags: [{ name: evil, detail: evil, refuses: "latency" as const }],
    };
    const machine = { ...suite.machine, cpu: evil, [evil]: evil };
    const hostile = { ...suite, machine, command: [evil], unavailable: { [evil]: evil }, runs: [run] };
    const text = page(hostile, [{ file: evil, suite: hostile }]);
    expect(text).not.toContain("<script");
    expect(text).toContain("&lt;script&gt;");
    expect(wellFormed(text)).toBe("");
  });

  test("lose what XML has no place for", () => {
    expect(escaped(evil)).toBe(
      "&lt;/style&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;\ufffd",
    );
    const attribute = String(element("svg", { "aria-label": '"><script>' }));
    expect(attribute).toBe('<svg aria-label="&quot;&gt;&lt;script&gt;"></svg>');
    expect(() => style("a{} </style>")).toThrow();
    expect(() => element("path", { x: Number.NaN })).toThrow("<path> cannot have x NaN");
  });
});

describe("the README's part", () => {
  test("has the figures of the JSON", () => {
    const row = headlineRows(suite).find(
      ({ metric, publicationsPerBurst }) => metric.name === "CPU per delivery" && publicationsPerBurst === 1,
    )!;
    const costs = row.byTarget
      .get("guide")!
      .map(({ cpuNs, deliveries }) => (cpuNs.node + cpuNs.redis + cpuNs.haproxy) / deliveries / 1000)
      .sort((left, right) => left - right);
    const { headline } = markdownPart(suite);
    const text = headline[1]![headline[0]!.indexOf("guide")]!;
    expect(text).toStartWith(`${((costs[2]! + costs[3]!) / 2).toFixed(2)} [`);
  });

  test("stands between its marks, and says so when nothing is committed", () => {
    const marks =
      "before\n<!-- bench: written by `bun scripts/bench-table.ts` -->\nold\n<!-- /bench -->\nafter\n";
    const text = withBench(marks, suite);
    expect(text).toStartWith("before\n<!-- bench");
    expect(text).toEndWith("<!-- /bench -->\nafter\n");
    expect(text).toContain("| guide ");
    expect(text).not.toContain("old");
  });
});

describe("what is drawn", () => {
  test("the knee is where throughput over latency is largest", () => {
    const point = (offered: number, achieved: number, ms: number) => ({
      ...{ offered, achieved },
      p50: { value: ms, low: ms, high: ms, isRough: false },
    });
    expect(kneeOf([point(10, 10, 1), point(20, 20, 1.1), point(40, 40, 1.6), point(80, 70, 9)])).toBe(40);
    expect(kneeOf([])).toBeUndefined();
  });

  test("axes hold every value between ticks that are round", () => {
    for (const values of [
      [3, 97],
      [0, 0],
      [0.0012, 0.0049],
      [15_300, 990_000],
    ]) {
      const axis = linearAxis("x, s", values);
      for (const value of values) expect(axis.place(value)).toBeWithin(0, 1.000_001);
      expect(axis.ticks.length).toBeWithin(2, 13);
      expect(axis.ticks[0]?.text).toBe("0");
    }
    for (const values of [[5], [0.3, 9000], [1, 10], [12, 14], [0, 7], []]) {
      const axis = logAxis("x, s", values);
      for (const value of values.filter((one) => one > 0))
        expect(axis.place(value)).toBeWithin(-1e-9, 1.000_001);
      expect(axis.ticks.length).toBeWithin(2, 10);
    }
    expect(logAxis("x, s", [0.3, 9000]).ticks.map(({ text }) => text)).toEqual([
      "0.1",
      "1",
      "10",
      "100",
      "1000",
      "10 k",
    ]);
  });

  test("a point without a place is left out, and the others stay", () => {
    const [look] = looksOf(["guide"]);
    const points = [1, 0, Number.NaN, 10].map((y, x) => ({ x, y }));
    const series = [{ name: "guide", look: look!, points }];
    const svg = String(
      chart({ title: "t", x: linearAxis("x, s", [0, 3]), y: logAxis("y, s", [1, 10]), series }),
    );
    expect(svg.match(/class="c2 mark"/g)).toHaveLength(2);
  });

  test("no two lines of a plot have the same dash and mark", () => {
    const names = [
      "fanwire-bun",
      "fanwire-bun",
      "fanwire-uws",
      "guide",
      "socket.io",
      "centrifugo",
      "raw-floor",
      "new",
    ];
    const looks = looksOf(names);
    expect(new Set(looks.map(({ mark, dash }) => `${mark} ${dash}`)).size).toBe(names.length);
  });
});

describe("files", () => {
  test("of the committed results a page can be made, each scenario's plot from its own JSON", () => {
    const loaded = fullestResults().filter(({ suite: one }) => one === undefined);
    const text = page(undefined, loaded);
    expect(wellFormed(text)).toBe("");
    expect(text).toContain('<section id="scenario-fanout">');
    expect(text).toContain("CPU per further subscriber, fanwire over the bare engine");
    expect(text).toContain('<section id="scenario-memory">');
  });

  test("are written where they are asked for, and a broken one is refused in a sentence", () => {
    const folder = mkdtempSync(join(tmpdir(), "fanwire-report-"));
    try {
      const [file, out, cut] = ["result.json", "page.html", "cut.json"].map((name) => join(folder, name));
      const result = syntheticSuite({ rounds: 2, scenarios: ["memory"] });
      writeFileSync(file!, JSON.stringify(result));
      expect(report([file!, "--out", out!])).toBe(0);
      expect(readFileSync(out!, "utf8")).toBe(page(result, [load(file!)]));
      writeFileSync(cut!, JSON.stringify({ ...result, runs: [{ scenario: "cpu" }] }));
      expect(() => load(cut!)).toThrow(ResultError);
      expect(() => load(cut!)).toThrow("neither a result of the suite");
      writeFileSync(cut!, "{");
      expect(() => load(cut!)).toThrow(ResultError);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

import { expect, test } from "bun:test";
import { expose, histogramSamples } from "../src/metrics/exposition.ts";
import { Scrape } from "./support/scrape.ts";

test("metrics are exposed with help, type and one line per value", () => {
  const text = expose([
    { name: "a_total", type: "counter", help: "Things.", samples: [{ value: 12 }] },
    {
      name: "b",
      type: "gauge",
      help: "By kind.",
      samples: [
        { labels: { kind: "x", size: "1" }, value: 0.25 },
        { labels: { kind: "y", size: "1" }, value: -1 },
      ],
    },
  ]);
  expect(text).toBe(
    [
      "# HELP a_total Things.",
      "# TYPE a_total counter",
      "a_total 12",
      "# HELP b By kind.",
      "# TYPE b gauge",
      'b{kind="x",size="1"} 0.25',
      'b{kind="y",size="1"} -1',
      "",
    ].join("\n"),
  );
});

test("what would break a line is escaped, and numbers beyond numbers are written as Prometheus reads them", () => {
  const text = expose([
    {
      name: "a",
      type: "gauge",
      help: 'back\\slash, "quotes" and\na line',
      samples: [
        { labels: { of: 'back\\slash, "quotes" and\na line' }, value: Number.POSITIVE_INFINITY },
        { labels: { of: "less" }, value: Number.NEGATIVE_INFINITY },
        { labels: { of: "none" }, value: Number.NaN },
      ],
    },
  ]);
  expect(text.split("\n")).toEqual([
    '# HELP a back\\\\slash, "quotes" and\\na line',
    "# TYPE a gauge",
    'a{of="back\\\\slash, \\"quotes\\" and\\na line"} +Inf',
    'a{of="less"} -Inf',
    'a{of="none"} NaN',
    "",
  ]);
  expect(new Scrape(text).values.size).toBe(3);
});

test("a histogram's buckets include the smaller ones, and the last one has everything", () => {
  const samples = histogramSamples([0.5, 1], [3, 2, 1], 7.5);
  expect(
    expose([{ name: "h", type: "histogram", help: "H.", samples }])
      .split("\n")
      .slice(2),
  ).toEqual([
    'h_bucket{le="0.5"} 3',
    'h_bucket{le="1"} 5',
    'h_bucket{le="+Inf"} 6',
    "h_sum 7.5",
    "h_count 6",
    "",
  ]);
});

test.each([
  ["a line without a value", "# HELP a A.\n# TYPE a gauge\na\n"],
  ["a value of a metric that was not announced", "b 1\n"],
  ["a value twice", "# HELP a A.\n# TYPE a gauge\na 1\na 2\n"],
  ["labels without quotes", "# HELP a A.\n# TYPE a gauge\na{b=c} 1\n"],
  ["a metric twice", "# HELP a A.\n# TYPE a gauge\na 1\n# HELP a A.\n# TYPE a gauge\n"],
  ["no end of the last line", "# HELP a A.\n# TYPE a gauge\na 1"],
])("the tests' own reader refuses %s", (_, text) => {
  expect(() => new Scrape(text)).toThrow();
});

// Prometheus' text format, version 0.0.4: turns what was measured into text. Knows no metric by name.

export const expositionType = "text/plain; version=0.0.4; charset=utf-8";

/** One line: a value, with what tells it apart from the metric's other ones. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** What a histogram appends to its name. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
}

export interface Metric {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One sentence. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The whole answer to a scrape. */
export function expose(metrics: Iterable<Metric>): string {
  let text = "";
  for (const { name, type, help, samples } of metrics) {
    text += `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`;
    for (const { suffix = "", labels, value } of samples) {
      text += `${name}${suffix}${labelled(labels)} ${written(value)}\n`;
    }
  }
  return text;
}

/** Values counted per bucket, as a histogram has them: each bucket includes the smaller ones. `bounds`: inclusive, ascending. */
export function histogramSamples(
  bounds: readonly number[],
  counts: readonly number[],
  sum: number,
): readonly Sample[] {
  let total = 0;
  const buckets = [...bounds, Number.POSITIVE_INFINITY].map((bound, index): Sample => {
    total += counts[index] ?? 0;
    return { suffix: "_bucket", labels: { le: written(bound) }, value: total };
  });
  return [...buckets, { suffix: "_sum", value: sum }, { suffix: "_count", value: total }];
}

function labelled(labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escaped(value).replaceAll('"', '\\"')}"`,
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function written(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}

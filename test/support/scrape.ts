// Reads Prometheus' text format as strictly as its description is: whatever is not in it throws.

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly labels: ReadonlySet<string>;
}

export class Scrape {
  readonly families = new Map<string, Family & { labels: Set<string> }>();
  /** By name and labels, as they stand in the text. */
  readonly values = new Map<string, number>();

  constructor(text: string) {
    if (!text.endsWith("\n")) throw new Error("the last line has no end");
    let help: [name: string, text: string] | undefined;
    let open: string | undefined;
    for (const line of text.split("\n").slice(0, -1)) {
      const comment = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)$/.exec(line);
      if (comment?.[1] === "HELP") {
        help = [comment[2]!, comment[3]!];
        if (this.families.has(help[0])) throw new Error(`${help[0]} is there twice`);
      } else if (comment) {
        const [, , name = "", type = ""] = comment;
        if (help?.[0] !== name) throw new Error(`${name} has no HELP before its TYPE`);
        if (!["counter", "gauge", "histogram"].includes(type)) throw new Error(`${name} is a ${type}`);
        this.families.set(name, { type, help: help[1], labels: new Set() });
        open = name;
      } else {
        this.#sample(line, open);
      }
    }
  }

  /** The value of a metric with exactly these labels. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const value = this.values.get(key(name, Object.entries(labels)));
    if (value === undefined) throw new Error(`there is no ${key(name, Object.entries(labels))}`);
    return value;
  }

  /** All values of a metric that have these labels among theirs, together. */
  sum(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
    return [...this.values]
      .filter(([key]) => key.startsWith(`${name}{`) || key === name)
      .filter(([key]) => wanted.every((pair) => key.includes(pair)))
      .reduce((sum, [, value]) => sum + value, 0);
  }

  #sample(line: string, open: string | undefined): void {
    const label = '[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\\\\n]|\\\\["\\\\n])*"';
    const number = "[+-]?(?:Inf|\\d+(?:\\.\\d+)?(?:e[+-]?\\d+)?)|NaN";
    const pattern = new RegExp(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\\{(${label}(?:,${label})*)\\})? (${number})$`);
    const [, name = "", written = "", value = ""] = pattern.exec(line) ?? [];
    if (name === "") throw new Error(`not a line of the format: ${line}`);
    const family = open === undefined ? undefined : this.families.get(open);
    const suffix = name.slice(open?.length ?? 0);
    const suffixes = family?.type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    if (!family || !name.startsWith(open!) || !suffixes.includes(suffix)) {
      throw new Error(`${name} stands under ${open}`);
    }
    const pairs = [...written.matchAll(new RegExp(label, "g"))].map(([pair]): [string, string] => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at), pair.slice(at + 2, -1)];
    });
    for (const [label] of pairs) family.labels.add(label);
    const known = key(name, pairs);
    if (this.values.has(known)) throw new Error(`${known} is there twice`);
    this.values.set(known, Number(value.replace("Inf", "Infinity")));
  }
}

function key(name: string, labels: readonly (readonly [string, string])[]): string {
  const pairs = labels.map(([label, value]) => `${label}="${value}"`).sort();
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

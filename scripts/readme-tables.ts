// Tables and other parts that scripts write into Markdown pages, each between two comments; knows nothing of what is in them.

export const readme = new URL("../README.md", import.meta.url);

/** What stands between two comments, and what writes it. */
interface Part {
  /** What the comments call it. */
  readonly name: string;
  readonly script: string;
}

/** A page's text with a table as it has to be. */
export function replaceTable(text: string, part: Part, rows: readonly (readonly string[])[]): string {
  return replaceBetween(text, part, tableOf(rows));
}

/** A page's text with something else between the two comments. */
export function replaceBetween(text: string, { name, script }: Part, content: string): string {
  const begin = `<!-- ${name}: written by \`bun ${script}\` -->`;
  const end = `<!-- /${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page needs the lines ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`;
}

export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** The first row is the head. In the form the formatter gives tables: columns as wide as their widest cell. */
export function tableOf([head = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const rule = widths.map((width) => "-".repeat(width));
  return [head, rule, ...rows]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`)
    .join("\n");
}

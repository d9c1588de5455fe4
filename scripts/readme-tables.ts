// Markdown tables that are written into README.md, each between two comments; knows nothing of what is in them.

export const readme = new URL("../README.md", import.meta.url);

/** README's text with a table as it has to be. `name`: what the comments call it. `script`: what writes it. */
export function replaceTable(
  text: string,
  { name, script }: { readonly name: string; readonly script: string },
  rows: readonly (readonly string[])[],
): string {
  const begin = `<!-- ${name}: written by \`bun ${script}\` -->`;
  const end = `<!-- /${name} -->`;
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`README.md needs the lines ${begin} and ${end}`);
  return `${text.slice(0, from + begin.length)}\n${tableOf(rows)}\n${text.slice(to)}`;
}

export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** The first row is the head. In the form the formatter gives tables: columns as wide as their widest cell. */
function tableOf([head = [], ...rows]: readonly (readonly string[])[]): string {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const rule = widths.map((width) => "-".repeat(width));
  return [head, rule, ...rows]
    .map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`)
    .join("\n");
}

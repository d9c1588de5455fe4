// What a soak found as a table of two columns, and what of it breaks a promise. Knows no soak.

export function told(rows: Readonly<Record<string, string | number>>, broken: readonly string[]): string {
  const width = Math.max(...Object.keys(rows).map(({ length }) => length));
  const lines = Object.entries(rows).map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return [...lines, ...broken.map((what) => `BROKEN: ${what}`)].join("\n");
}

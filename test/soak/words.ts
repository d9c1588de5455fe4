// What stands behind a soak's name on the command line: `--minutes 5` sets `minutes`. Knows no soak.

export function numbersOf<Name extends string>(
  words: readonly string[],
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const found: Record<Name, number> = { ...defaults };
  for (let at = 0; at < words.length; at += 2) {
    const name = words[at]!.replace(/^--/, "") as Name;
    const value = Number(words[at + 1]);
    if (!(name in defaults) || !(value > 0)) throw new Error(`${words[at]} ${words[at + 1]}: no option`);
    found[name] = value;
  }
  return found;
}

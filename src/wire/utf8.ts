// Whether bytes are well-formed UTF-8, by the table of the Unicode Standard (table 3-7 in chapter 3). Allocates nothing.

/** `bytes` from `from` up to `to`, which are both within them. */
export function isWellFormed(bytes: Uint8Array, from: number, to: number): boolean {
  for (let at = from; at < to; ) {
    const lead = bytes[at]!;
    const length = lengthOf(lead);
    if (length === 0 || at + length > to) return false;
    if (length > 1 && !isSecond(lead, bytes[at + 1]!)) return false;
    for (let next = at + 2; next < at + length; next++) if ((bytes[next]! & 0xc0) !== 0x80) return false;
    at += length;
  }
  return true;
}

/** How many bytes a character has that begins so; 0 where none does. */
function lengthOf(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

/** The second byte keeps out longer spellings than needed, surrogates, and what is beyond Unicode. */
function isSecond(lead: number, second: number): boolean {
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most;
}

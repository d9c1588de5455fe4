// Which addresses count as one peer's: an IPv4 address by itself, IPv6 addresses by their /64, the least anybody is given.

/** A name for the group. The engines spell addresses differently: all spellings of one give the same name. */
export function addressGroup(address: string): string {
  if (!address.includes(":")) return address;
  const words = addressWords(address);
  const isMapped = words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff;
  if (!isMapped)
    return `${words
      .slice(0, 4)
      .map((word) => word.toString(16))
      .join(":")}::/64`;
  const [high = 0, low = 0] = words.slice(6);
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight numbers of an address; an IPv4 address's are those that stand for it in IPv6. */
export function addressWords(address: string): readonly number[] {
  if (!address.includes(":")) return expand(`::ffff:${address}`);
  return expand(address.toLowerCase().replace(/%.*/, ""));
}

/** Of an IPv6 address `::` may leave out zeros, and the last two numbers may be written as IPv4. */
function expand(address: string): readonly number[] {
  const [before = "", after] = address.split("::");
  const [head, tail] = [wordsOf(before), wordsOf(after ?? "")];
  const zeros = Array<number>(Math.max(0, 8 - head.length - tail.length)).fill(0);
  return [...head, ...zeros, ...tail];
}

function wordsOf(part: string): number[] {
  if (part === "") return [];
  return part.split(":").flatMap((word) => {
    if (!word.includes(".")) return Number.parseInt(word, 16);
    const [a = 0, b = 0, c = 0, d = 0] = word.split(".").map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

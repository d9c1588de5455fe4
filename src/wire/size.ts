// A bound on how long a value is once it is encoded, in either wire format, for a fraction of what encoding costs.

/** The longest that a character becomes: an escape in JSON. */
const mostPerCharacter = 6;
/** More than any number, literal, header or separator takes. */
const mostPerValue = 32;

/** No encoding of this value of the data model is longer. Binary values are counted as MessagePack has them. */
export function mostBytes(value: unknown): number {
  if (typeof value === "string") return value.length * mostPerCharacter + mostPerValue;
  if (typeof value !== "object" || value === null) return mostPerValue;
  if (value instanceof Uint8Array) return value.length + mostPerValue;
  let bytes = mostPerValue;
  for (const key of Object.keys(value)) {
    bytes +=
      key.length * mostPerCharacter + mostPerValue + mostBytes((value as Record<string, unknown>)[key]);
  }
  return bytes;
}

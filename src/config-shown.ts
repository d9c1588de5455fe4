// How a refused value is told in an error: short, and without the secrets that may be in it.

/** The value at a path, short and without secrets. */
export function shown(given: object, path: readonly PropertyKey[]): string {
  let value: unknown = given;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  if (path[0] === "jwtSecret" || path[0] === "apiKeys") {
    if (Array.isArray(value)) return `a list of ${value.length}`;
    return typeof value === "string" ? `${Buffer.byteLength(value)} bytes long` : `a ${typeof value}`;
  }
  // What stands before the @ of a URL is a password.
  const json = (JSON.stringify(value) ?? String(value)).replace(/\/\/[^/@]*@/g, "//…@");
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}

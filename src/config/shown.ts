// How a refused value is told in an error: short, and without the secrets that may be in it.

/** The value at a path, short and without secrets. */
export function shown(given: object, path: readonly PropertyKey[]): string {
  let value: unknown = given;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | undefined)?.[key];
  const isAddress = path[0] === "redis" && path[1] === "urls";
  if (path[0] === "jwtSecret" || path[0] === "apiKeys" || isAddress) {
    if (Array.isArray(value)) return `a list of ${value.length}`;
    if (typeof value !== "string") return `a ${typeof value}`;
    return (isAddress && shownAddress(value)) || `${Buffer.byteLength(value)} bytes long`;
  }
  // What stands before the @ of a URL is a password.
  const json = (JSON.stringify(value) ?? String(value)).replace(/\/\/[^/@]*@/g, "//…@");
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}

/** What is not a valid address is shown only as far as nothing in it can be a password. */
function shownAddress(value: string): string | undefined {
  const at = value.lastIndexOf("@");
  const rest = value.slice(at + 1);
  if (!/^[\w./[\]-]{0,80}$/.test(rest.replace(/^\w+:\/\//, "").replace(/:\d{1,5}(?=\/|$)/, "")))
    return undefined;
  return JSON.stringify(at < 0 ? rest : `…@${rest}`);
}

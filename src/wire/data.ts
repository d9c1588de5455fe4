// What may travel as `data`: the JSON data model of bounded depth, and binary values where a namespace admits them.

import { FanwireError } from "../errors.ts";

export interface DataRule {
  readonly maxDepth: number;
  readonly binary: boolean;
}

/** Checks a value that a wire format decoded; throws FanwireError `bad-data`. */
export function checkData(value: unknown, rule: DataRule, depth = 0): void {
  // JSON can spell a number such as 1e400, which no reader could be told again.
  if (typeof value === "number" && !Number.isFinite(value)) throw notFinite();
  if (typeof value !== "object" || value === null) return;
  if (depth >= rule.maxDepth) {
    throw new FanwireError("bad-data", `\`data\` is nested deeper than ${rule.maxDepth} levels.`);
  }
  if (value instanceof Uint8Array) {
    if (!rule.binary) {
      throw new FanwireError("bad-data", "Binary values are for namespaces with `binary: true`.");
    }
    return;
  }
  if (Array.isArray(value)) {
    for (const item of value) checkData(item, rule, depth + 1);
    return;
  }
  for (const key in value) checkData((value as Record<string, unknown>)[key], rule, depth + 1);
}

/**
 * A copy of what an application publishes, so that history does not change when the application later changes its object.
 * Properties that are undefined are left out, as JSON does; anything outside the data model throws FanwireError `bad-data`.
 */
export function copyData(value: unknown, rule: DataRule, depth = 0): unknown {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value;
    case "number":
      if (Number.isFinite(value)) return value;
      throw notFinite();
    case "object":
      return value === null ? null : copyObject(value, rule, depth);
    default:
      throw new FanwireError("bad-data", `\`data\` has a value of type ${typeof value}.`);
  }
}

function copyObject(value: object, rule: DataRule, depth: number): unknown {
  if (depth >= rule.maxDepth) {
    throw new FanwireError("bad-data", `\`data\` is nested deeper than ${rule.maxDepth} levels.`);
  }
  if (value instanceof Uint8Array) {
    if (rule.binary) return value.slice();
    throw new FanwireError("bad-data", "Binary values are for namespaces with `binary: true`.");
  }
  if (Array.isArray(value)) return value.map((item) => copyData(item, rule, depth + 1));
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new FanwireError("bad-data", "`data` has an object that is neither plain nor an array.");
  }
  const entries = Object.entries(value).filter(([, item]) => item !== undefined);
  // Not by assignment, which takes the key `__proto__` for something else.
  return Object.fromEntries(entries.map(([key, item]) => [key, copyData(item, rule, depth + 1)]));
}

function notFinite(): FanwireError {
  return new FanwireError("bad-data", "`data` has a number that is not finite.");
}

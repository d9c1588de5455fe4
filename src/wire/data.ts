// What may travel as `data`: the JSON data model of bounded depth and size, and binary values where a namespace admits them.

import { limitRules } from "../config/limits.ts";
import { FanwireError } from "../errors.ts";
import { isCarried } from "./carried-data.ts";
import type { DataFacts } from "./data-facts.ts";

export interface DataRule {
  readonly maxDepth: number;
  readonly binary: boolean;
  /** How many values a stranger's data may have, those that hold others included. Absent: the limit's default. */
  readonly maxValues?: number;
}

/** Decoders of clients take it for something else, or rename it, each in its way: they would not see the same data. */
const protoKey = "__proto__";

/** Checks a value that a wire format decoded, or left as it came; throws FanwireError `bad-data`. */
export function checkData(value: unknown, rule: DataRule): void {
  if (!isCarried(value)) countValues(value, rule, 0, 0);
  // What is wrong with it is told by its value.
  else if (!isWithin(value.facts, rule)) countValues(value.value, rule, 0, 0);
}

function isWithin({ values, depth, hasBinary }: DataFacts, rule: DataRule): boolean {
  const { maxValues = limitRules.maxDataValues.default } = rule;
  return values <= maxValues && depth <= rule.maxDepth && (rule.binary || !hasBinary);
}

/**
 * Checks a value of which `count` others were there before, and answers how many there are with it. In memory a value takes
 * many times its bytes in a frame: what bounds frames does not bound what is kept of them.
 */
function countValues(value: unknown, rule: DataRule, depth: number, count: number): number {
  const { maxValues = limitRules.maxDataValues.default } = rule;
  if (count >= maxValues) {
    throw new FanwireError("bad-data", `\`data\` has more than ${maxValues} values.`);
  }
  // JSON can spell a number such as 1e400, which no reader could be told again.
  if (typeof value === "number" && !Number.isFinite(value)) throw notFinite();
  if (typeof value !== "object" || value === null) return count + 1;
  if (depth >= rule.maxDepth) {
    throw new FanwireError("bad-data", `\`data\` is nested deeper than ${rule.maxDepth} levels.`);
  }
  if (value instanceof Uint8Array) {
    if (rule.binary) return count + 1;
    throw new FanwireError("bad-data", "Binary values are for namespaces with `binary: true`.");
  }
  let counted = count + 1;
  if (Array.isArray(value)) {
    for (const item of value) counted = countValues(item, rule, depth + 1, counted);
    return counted;
  }
  for (const key in value) {
    if (key === protoKey) throw hasProtoKey();
    counted = countValues((value as Record<string, unknown>)[key], rule, depth + 1, counted);
  }
  return counted;
}

/**
 * A copy of what an application publishes, so that history does not change when the application later changes its object.
 * Properties that are undefined are left out, as JSON does; anything outside the data model throws FanwireError `bad-data`. An
 * application may publish as many values as it likes.
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
  if (Object.hasOwn(value, protoKey)) throw hasProtoKey();
  // Key by key: lists of entries would be a good part of what a publication costs.
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key];
    if (item !== undefined) copy[key] = copyData(item, rule, depth + 1);
  }
  return copy;
}

function hasProtoKey(): FanwireError {
  return new FanwireError("bad-data", "`data` has the key `__proto__`.");
}

function notFinite(): FanwireError {
  return new FanwireError("bad-data", "`data` has a number that is not finite.");
}

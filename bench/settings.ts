// What a run was asked to do: the command line and its defaults.

import { parseArgs } from "node:util";
import type { Format } from "./client/payload.ts";
import type { EngineName } from "./targets/servers.ts";

export type Mode = "volatile" | "stream";

export interface RunSettings {
  readonly engines: readonly EngineName[];
  readonly formats: readonly Format[];
  readonly modes: readonly Mode[];
  readonly seed: number;
  /** Shows that everything works, in seconds; its figures carry no verdict. */
  readonly quick: boolean;
  readonly rounds: number | undefined;
  /** Lets the servers' core halt when it has nothing to do (see keepAwake). */
  readonly halt: boolean;
  /** Prints the result as JSON on standard output instead of tables. */
  readonly json: boolean;
}

export const usage = `usage: npm run bench -- <name> [options]
  names: api, churn, coalescing, connections, cross, cross-cpu, fanout, javascript, memory, nodes, proxy-hop,
         redis-load, slow, sse, ticker
  --engine bun|uws       only this engine       (default: both)
  --format json|msgpack  only this wire format  (default: fanout and api both, else json)
  --mode volatile|stream only this mode         (fanout, coalescing, cross, cross-cpu, redis-load, sse; default: both)
  --rounds N             rounds of paired windows
  --seed N               seed of schedules and resampling (default: 1)
  --halt                 lets the servers' core halt between publications (fanout, javascript)
  --quick                seconds instead of minutes, without a verdict
  --json                 the result as JSON on standard output`;

/** The command line is wrong; the message says what about it. */
export class UsageError extends Error {}

function choose<T extends string>(
  name: string,
  given: string | undefined,
  all: readonly T[],
  byDefault = all,
) {
  if (given === undefined) return byDefault;
  const found = all.find((one) => one === given);
  if (found === undefined) throw new UsageError(`--${name} ${given}: not one of ${all.join(", ")}`);
  return [found];
}

/** A number of the command line; UsageError for anything but a whole one above 0. */
export function whole(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(given)) throw new UsageError(`--${name} ${given}: not a whole number above 0`);
  return Number(given);
}

export function parseSettings(args: readonly string[]): { scenario: string; settings: RunSettings } {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      engine: { type: "string" },
      format: { type: "string" },
      mode: { type: "string" },
      rounds: { type: "string" },
      seed: { type: "string" },
      quick: { type: "boolean", default: false },
      halt: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const [scenario, ...more] = positionals;
  if (scenario === undefined || more.length > 0) throw new UsageError("name one benchmark");
  const formats = ["json", "msgpack"] as const;
  const settings: RunSettings = {
    engines: choose("engine", values.engine, ["bun", "uws"]),
    formats: choose(
      "format",
      values.format,
      formats,
      ["fanout", "api"].includes(scenario) ? formats : ["json"],
    ),
    modes: choose("mode", values.mode, ["volatile", "stream"]),
    seed: whole("seed", values.seed) ?? 1,
    rounds: whole("rounds", values.rounds),
    quick: values.quick,
    halt: values.halt,
    json: values.json,
  };
  return { scenario, settings };
}

// What `redis-load` says: commands and bytes per publication at each rate and number of topics, and what both nodes ask at rest.
// It claims nothing.

import { describeFlags, number, type Part, table } from "../measure/report.ts";
import type { Flag } from "../measure/validity.ts";
import type { RunSettings } from "../settings.ts";
import type { LoadWindow, RedisLoadComparison } from "./redis-load.ts";

/** Commands that clients send; scripts call the others. PUBLISH may be either. */
const sentNames = new Set(["evalsha", "ping", "set", "subscribe", "unsubscribe", "eval", "script|load"]);

export function reportRedisLoad(comparison: RedisLoadComparison, settings: RunSettings): Part {
  const { plan, mode, redisVersion, windows } = comparison;
  const title = `redis-load · ${plan.engines.join(" + ")} · ${mode}`;
  const flags = [...(settings.quick ? [quick] : []), ...windows.flatMap(windowFlags)];
  const text = [
    title,
    `a publication of 64 bytes of JSON, subscribers of every topic on both nodes; Redis ${redisVersion}`,
    loadTable(windows),
    "",
    "at rest, both nodes together, per second",
    restTable(windows),
    ...describeFlags(flags),
  ].join("\n");
  return { claims: [], text, record: { plan, mode, redisVersion, flags, windows } };
}

const quick: Flag = {
  name: "quick",
  detail: "a quick run shows that the suite works and measures nothing",
  refuses: "everything",
  disturbance: false,
};

const total = ({ counts }: LoadWindow): number =>
  Object.values(counts.commands).reduce((sum, calls) => sum + calls, 0);

/** A script's own calls are in Redis' count too: those that clients sent are the rest. */
export function sentOf(window: LoadWindow): number {
  const { commands } = window.counts;
  const named = Object.entries(commands).filter(([name]) => sentNames.has(name));
  const sent = named.reduce((sum, [, calls]) => sum + calls, 0);
  // In stream mode scripts publish, except for the nodes' probes.
  const isByScript = window.mode === "stream";
  return sent + (isByScript ? 0 : (commands.publish ?? 0));
}

function loadTable(windows: readonly LoadWindow[]): string {
  const rows = windows
    .filter(({ perSecond }) => perSecond > 0)
    .map((window) => {
      const { mode, topics, perSecond, published, seconds, counts, redisNs } = window;
      const each = (value: number, digits = 1) => number(value / published, digits);
      return [
        mode === "bare" ? "bare ioredis" : String(topics),
        String(perSecond),
        number(published / seconds, 0),
        each(sentOf(window), 2),
        each(total(window) - sentOf(window), 2),
        each(counts.commands.publish ?? 0, 2),
        each(counts.inBytes, 0),
        each(counts.outBytes, 0),
        each(redisNs / 1000, 1),
      ];
    });
  const head = ["topics", "asked/s", "made/s", "commands sent", "by scripts", "PUBLISH"];
  return table([...head, "bytes in", "bytes out", "Redis µs"], rows);
}

function restTable(windows: readonly LoadWindow[]): string {
  const rows = windows
    .filter(({ perSecond }) => perSecond === 0)
    .map((window) => {
      const { topics, seconds, counts, redisNs, nodesNs } = window;
      const each = (value: number) => number(value / seconds, 1);
      return [
        String(topics),
        each(sentOf(window)),
        each(total(window) - sentOf(window)),
        each(counts.inBytes),
        each(counts.outBytes),
        each(redisNs / 1e6),
        each(nodesNs / 1e6),
      ];
    });
  return table(
    ["topics", "commands sent", "by scripts", "bytes in", "bytes out", "Redis ms", "nodes ms"],
    rows,
  );
}

/** A rate is reached with so much of it. */
const reachedShare = 0.99;

export function windowFlags(window: LoadWindow): Flag[] {
  const { mode, topics, perSecond, planned, published, seconds, expected, received, wallNs } = window;
  const flags: Flag[] = [];
  const where = mode === "bare" ? "bare" : `${perSecond}/s over ${topics}`;
  const add = (name: string, detail: string) =>
    flags.push({ name, detail: `${where}: ${detail}`, refuses: "everything", disturbance: false });
  const madePerSecond = published / seconds;
  if (mode !== "bare" && published > 1 && madePerSecond < reachedShare * perSecond) {
    add("rate-not-reached", `${number(madePerSecond, 0)} a second left the generator`);
  }
  // What was published in time may still have to wait: then the nodes and Redis did not stand the rate.
  const lateSeconds = wallNs / 1e9 - seconds;
  if (planned > 0 && lateSeconds > 0.1 + 0.1 * seconds) {
    add("rate-not-stood", `the last came ${number(lateSeconds)} s after the last had left`);
  }
  if (published < planned) add("underachieved", `${published} of ${planned} publications left`);
  if (received > expected) add("too-many-received", `${received} of ${expected}`);
  if (received < expected) add("lost", `${expected - received} of ${expected} are missing`);
  return flags;
}

// The suite from end to end in its smoke size: every shape on every target that is installed. Flags of the machine's state are not
// judged, because a test machine does other things meanwhile; loss, doubles and disorder are.

import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "../bench/measure/histogram.ts";
import type { SuiteResult } from "../bench/suite/result.ts";
import { oneNode } from "../bench/suite/target.ts";
import { targets } from "../bench/suite/targets/all.ts";
import { createWorkload } from "../bench/suite/workloads/all.ts";

/** What a busy test machine may raise; the rest means that something does not work. */
const excusable = [
  ...["generator-busy", "server-saturated", "foreign-load", "steal", "cpu-mismatch", "publisher-late"],
  ...["stalled", "underachieved"],
];

test("the smoke run measures every shape on every target here, and nothing is lost, doubled or out of order", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-suite-"));
  const file = join(folder, "result.json");
  const command = [process.execPath, "bench/run.ts", "--smoke", "--json", "--out", file];
  const run = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const [printed, progress] = await Promise.all([
    new Response(run.stdout).text(),
    new Response(run.stderr).text(),
  ]);
  expect(await run.exited, progress).toBe(0);
  const result = JSON.parse(readFileSync(file, "utf8")) as SuiteResult;
  rmSync(folder, { recursive: true });
  // JSON alone on standard output, and the same.
  expect(JSON.parse(printed)).toEqual(result);
  const measured = new Set(result.runs.map(({ target }) => target.name));
  expect([...measured, ...Object.keys(result.unavailable)].sort()).toEqual(
    targets.flatMap(({ name, isVariant }) => (isVariant ? [] : [name])).sort(),
  );
  for (const one of result.runs) {
    const place = `${one.target.name}, ${one.scenario}, ${one.workload.name}`;
    const serious = one.flags.filter(({ name }) => !excusable.includes(name));
    expect(serious, place).toEqual([]);
    expect(one.deliveries, place).toBeGreaterThan(0);
    expect(decode(one.histograms.fromSent).totalCount, place).toBeGreaterThan(0);
    expect(one.cpuNs.node, place).toBeGreaterThan(0);
    expect(one.rssBytes.node, place).toBeGreaterThan(1e6);
  }
  expect(result.failures).toBeUndefined();
  const scenarios = new Set(result.runs.map(({ scenario }) => scenario));
  expect([...scenarios].sort()).toEqual([
    ...(["capacity", "cpu", "cross", "disconnects", "kill", "latency"] as const),
    ...(["memory", "ramp", "scale", "storm"] as const),
  ]);
  // Whatever a target says it supports was run.
  const shapes = new Set(result.runs.map(({ workload }) => workload.name));
  expect(shapes.size).toBeGreaterThanOrEqual(6);
  for (const target of targets) {
    if (target.isVariant || target.name in result.unavailable) continue;
    const burst = createWorkload({ kind: "fanout", mode: "volatile", connections: 40, bytes: 128, burst: 8 });
    if (!target.supports(oneNode, burst)) continue;
    const own = result.runs.filter((one) => one.target.name === target.name && one.scenario === "cpu");
    expect(own.map(({ publicationsPerBurst }) => publicationsPerBurst)).toEqual([1, 8]);
  }
}, 240_000);

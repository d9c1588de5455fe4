// Entry of the benchmarks: `bun bench/run.ts fanout`. It is the load generator too, on a core of its own.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { api, apiPlanOf } from "./api.ts";
import { reportApi } from "./api-report.ts";
import { churn, churnPlanOf } from "./churn.ts";
import { reportChurn } from "./churn-report.ts";
import { coalescing, coalescingPlanOf } from "./coalescing.ts";
import { reportCoalescing } from "./coalescing-report.ts";
import { cross, crossPlanOf } from "./cross.ts";
import { crossCpu, crossCpuPlanOf } from "./cross-cpu.ts";
import { reportCrossCpu } from "./cross-cpu-report.ts";
import { reportCross } from "./cross-report.ts";
import { fanout, fanoutPlanOf } from "./fanout.ts";
import { reportFanout } from "./fanout-report.ts";
import { javascript, javascriptPlanOf } from "./javascript.ts";
import { reportJavascript } from "./javascript-report.ts";
import { machineFacts } from "./measure/machine.ts";
import { exitCode, type Part, writeResult } from "./measure/report.ts";
import { memory, memoryPlanOf } from "./memory.ts";
import { reportMemory } from "./memory-report.ts";
import { nodes, nodesPlanOf } from "./nodes.ts";
import { reportNodes } from "./nodes-report.ts";
import { redisLoad, redisLoadPlanOf } from "./redis-load.ts";
import { reportRedisLoad } from "./redis-load-report.ts";
import { parseSettings, type RunSettings, UsageError, usage } from "./settings.ts";
import { slow, slowPlanOf } from "./slow.ts";
import { reportSlow } from "./slow-report.ts";
import { build, cores } from "./targets/servers.ts";
import { ticker, tickerPlanOf } from "./ticker.ts";
import { reportTicker } from "./ticker-report.ts";

type Scenario = (settings: RunSettings) => AsyncGenerator<Part>;

async function* runFanout(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of fanout(settings)) yield reportFanout(comparison, settings);
}

async function* runSlow(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of slow(settings)) yield reportSlow(comparison, settings);
}

async function* runJavascript(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of javascript(settings)) yield reportJavascript(comparison, settings);
}

async function* runApi(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of api(settings)) yield reportApi(comparison, settings);
}

async function* runMemory(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of memory(settings)) yield reportMemory(comparison, settings);
}

async function* runChurn(settings: RunSettings): AsyncGenerator<Part> {
  for await (const run of churn(settings)) yield reportChurn(run, settings);
}

async function* runTicker(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of ticker(settings)) yield reportTicker(comparison, settings);
}

async function* runCoalescing(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of coalescing(settings)) yield reportCoalescing(comparison, settings);
}

async function* runCross(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of cross(settings)) yield reportCross(comparison, settings);
}

async function* runCrossCpu(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of crossCpu(settings)) yield reportCrossCpu(comparison, settings);
}

async function* runRedisLoad(settings: RunSettings): AsyncGenerator<Part> {
  for await (const comparison of redisLoad(settings)) yield reportRedisLoad(comparison, settings);
}

async function* runNodes(settings: RunSettings): AsyncGenerator<Part> {
  for await (const run of nodes(settings)) yield reportNodes(run, settings);
}

const scenarios: Record<string, { run: Scenario; plan: (settings: RunSettings) => object }> = {
  api: { run: runApi, plan: apiPlanOf },
  churn: { run: runChurn, plan: churnPlanOf },
  coalescing: { run: runCoalescing, plan: coalescingPlanOf },
  cross: { run: runCross, plan: crossPlanOf },
  "cross-cpu": { run: runCrossCpu, plan: crossCpuPlanOf },
  fanout: { run: runFanout, plan: fanoutPlanOf },
  javascript: { run: runJavascript, plan: javascriptPlanOf },
  memory: { run: runMemory, plan: memoryPlanOf },
  nodes: { run: runNodes, plan: nodesPlanOf },
  "redis-load": { run: runRedisLoad, plan: redisLoadPlanOf },
  slow: { run: runSlow, plan: slowPlanOf },
  ticker: { run: runTicker, plan: tickerPlanOf },
};

/** Every thread of this process, the garbage collector's included: nothing of the generator may run on the server's core. */
function pinSelf(): void {
  execFileSync("taskset", ["-a", "-c", "-p", String(cores.generator), String(process.pid)], {
    stdio: "ignore",
  });
}

async function main(): Promise<number> {
  const { scenario, settings } = parseSettings(process.argv.slice(2));
  const chosen = scenarios[scenario];
  if (chosen === undefined) throw new UsageError(`${scenario}: no such benchmark`);
  if (settings.engines.includes("uws")) build();
  pinSelf();
  const startedAt = new Date();
  const machine = machineFacts();
  const say = (text: string) => (settings.json ? undefined : console.log(text));
  say(
    `${scenario}, seed ${settings.seed}, commit ${machine.commit.slice(0, 12)}, ${machine.cpu}, ${machine.kernel}\n`,
  );
  const parts: Part[] = [];
  for await (const part of chosen.run(settings)) {
    parts.push(part);
    say(`${part.text}\n`);
  }
  const claims = parts.flatMap((part) => part.claims);
  const result = {
    schema: 1,
    scenario,
    startedAt: startedAt.toISOString(),
    endedAt: new Date().toISOString(),
    command: process.argv.slice(2),
    settings: { ...settings, ...chosen.plan(settings) },
    machine,
    claims,
    parts: parts.map((part) => part.record),
  };
  const name = `${scenario}-${startedAt.toISOString().replaceAll(/[:.]/g, "-")}.json`;
  const file = join(import.meta.dirname, "results", settings.quick ? "quick" : "", name);
  writeResult(file, result);
  if (settings.json) console.log(JSON.stringify(result));
  say(`written to ${file}`);
  return exitCode(claims, settings.quick);
}

try {
  process.exit(await main());
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith("ERR_PARSE_ARGS");
  console.error(isUsage ? `${(error as Error).message}\n\n${usage}` : error);
  process.exit(isUsage ? 64 : 70);
}

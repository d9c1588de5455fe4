// Entry of the benchmarks: `bun bench/run.ts` is the suite, `bun bench/run.ts fanout` one of those that hold our own contract
// against the bare engine. There it is the load generator too, on a core of its own.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { machineFacts } from "./measure/machine.ts";
import { exitCode, type Part, writeResult } from "./measure/report.ts";
import { compareFiles, report, reportUsage } from "./report/command.ts";
import { api, apiPlanOf } from "./scenarios/api.ts";
import { reportApi } from "./scenarios/api-report.ts";
import { churn, churnPlanOf } from "./scenarios/churn.ts";
import { reportChurn } from "./scenarios/churn-report.ts";
import { coalescing, coalescingPlanOf } from "./scenarios/coalescing.ts";
import { reportCoalescing } from "./scenarios/coalescing-report.ts";
import { connections, connectionsPlanOf } from "./scenarios/connections.ts";
import { reportConnections } from "./scenarios/connections-report.ts";
import { cross, crossPlanOf } from "./scenarios/cross.ts";
import { crossCpu, crossCpuPlanOf } from "./scenarios/cross-cpu.ts";
import { reportCrossCpu } from "./scenarios/cross-cpu-report.ts";
import { reportCross } from "./scenarios/cross-report.ts";
import { fanout, fanoutPlanOf } from "./scenarios/fanout.ts";
import { reportFanout } from "./scenarios/fanout-report.ts";
import { javascript, javascriptPlanOf } from "./scenarios/javascript.ts";
import { reportJavascript } from "./scenarios/javascript-report.ts";
import { memory, memoryPlanOf } from "./scenarios/memory.ts";
import { reportMemory } from "./scenarios/memory-report.ts";
import { nodes, nodesPlanOf } from "./scenarios/nodes.ts";
import { reportNodes } from "./scenarios/nodes-report.ts";
import { proxyHop, proxyHopPlanOf } from "./scenarios/proxy-hop.ts";
import { reportProxyHop } from "./scenarios/proxy-hop-report.ts";
import { redisLoad, redisLoadPlanOf } from "./scenarios/redis-load.ts";
import { reportRedisLoad } from "./scenarios/redis-load-report.ts";
import { slow, slowPlanOf } from "./scenarios/slow.ts";
import { reportSlow } from "./scenarios/slow-report.ts";
import { sse, ssePlanOf } from "./scenarios/sse.ts";
import { reportSse } from "./scenarios/sse-report.ts";
import { ticker, tickerPlanOf } from "./scenarios/ticker.ts";
import { reportTicker } from "./scenarios/ticker-report.ts";
import { parseSettings, type RunSettings, UsageError, usage } from "./settings.ts";
import { runSuite } from "./suite/main.ts";
import { isOfSuite, suiteUsage } from "./suite/settings.ts";
import { build, cores } from "./targets/servers.ts";

interface Scenario {
  readonly run: (settings: RunSettings) => AsyncGenerator<Part>;
  /** What of the settings is the scenario's own. */
  readonly plan: (settings: RunSettings) => object;
}

/** Each comparison is reported as soon as it is measured. */
function scenario<Comparison>(
  measure: (settings: RunSettings) => AsyncGenerator<Comparison>,
  report: (comparison: Comparison, settings: RunSettings) => Part,
  plan: Scenario["plan"],
): Scenario {
  return {
    plan,
    async *run(settings) {
      for await (const comparison of measure(settings)) yield report(comparison, settings);
    },
  };
}

const scenarios: Readonly<Record<string, Scenario>> = {
  api: scenario(api, reportApi, apiPlanOf),
  churn: scenario(churn, reportChurn, churnPlanOf),
  coalescing: scenario(coalescing, reportCoalescing, coalescingPlanOf),
  connections: scenario(connections, reportConnections, connectionsPlanOf),
  cross: scenario(cross, reportCross, crossPlanOf),
  "cross-cpu": scenario(crossCpu, reportCrossCpu, crossCpuPlanOf),
  fanout: scenario(fanout, reportFanout, fanoutPlanOf),
  javascript: scenario(javascript, reportJavascript, javascriptPlanOf),
  memory: scenario(memory, reportMemory, memoryPlanOf),
  nodes: scenario(nodes, reportNodes, nodesPlanOf),
  "proxy-hop": scenario(proxyHop, reportProxyHop, proxyHopPlanOf),
  "redis-load": scenario(redisLoad, reportRedisLoad, redisLoadPlanOf),
  slow: scenario(slow, reportSlow, slowPlanOf),
  sse: scenario(sse, reportSse, ssePlanOf),
  ticker: scenario(ticker, reportTicker, tickerPlanOf),
};

const help = [suiteUsage, reportUsage, usage].join("\n\n");

/** Every thread of this process, the garbage collector's included: nothing of the generator may run on the server's core. */
function pinSelf(): void {
  execFileSync("taskset", ["-a", "-c", "-p", String(cores.generator), String(process.pid)], {
    stdio: "ignore",
  });
}

/** Without a benchmark's name it is the suite that is meant. */
async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const [command, ...files] = args;
  if (command === "--help" || command === "-h") {
    console.log(help);
    return 0;
  }
  if (command === "report") return report(files);
  if (command === "compare") return compareFiles(files);
  return isOfSuite(command) ? runSuite(args) : runBenchmark();
}

async function runBenchmark(): Promise<number> {
  const { scenario: name, settings } = parseSettings(process.argv.slice(2));
  const chosen = scenarios[name];
  if (chosen === undefined) throw new UsageError(`${name}: no such benchmark`);
  if (settings.engines.includes("uws")) build();
  pinSelf();
  const startedAt = new Date();
  const machine = machineFacts();
  const say = (text: string) => (settings.json ? undefined : console.log(text));
  say(
    `${name}, seed ${settings.seed}, commit ${machine.commit.slice(0, 12)}, ${machine.cpu}, ${machine.kernel}\n`,
  );
  const parts: Part[] = [];
  for await (const part of chosen.run(settings)) {
    parts.push(part);
    say(`${part.text}\n`);
  }
  const claims = parts.flatMap((part) => part.claims);
  const result = {
    schema: 1,
    scenario: name,
    startedAt: startedAt.toISOString(),
    endedAt: new Date().toISOString(),
    command: process.argv.slice(2),
    settings: { ...settings, ...chosen.plan(settings) },
    machine,
    claims,
    parts: parts.map((part) => part.record),
  };
  const fileName = `${name}-${startedAt.toISOString().replaceAll(/[:.]/g, "-")}.json`;
  const file = join(import.meta.dirname, "results", settings.quick ? "quick" : "", fileName);
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
  console.error(isUsage ? `${(error as Error).message}\n\n${help}` : error);
  process.exit(isUsage ? 64 : 70);
}

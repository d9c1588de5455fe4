// `api`: how many publications a second the server API takes, single and in batches, and how long an answer takes.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Packr } from "msgpackr";
import type { Format } from "../client/payload.ts";
import { cpuBetween, readCpu, readMachine } from "../measure/cpu.ts";
import { seededRandom, shuffled } from "../measure/stats.ts";
import type { RunSettings } from "../settings.ts";
import { apiKey, cores, type EngineName, type ServerProcess, startServer } from "../targets/servers.ts";

const execute = promisify(execFile);

/** What is asked for at once: one publication, or a batch of so many. */
export const batchSizes = [1, 100] as const;
/** One connection shows what an answer takes; many show what the server can. */
export const connectionCounts = [1, 32] as const;

const textBytes = 64;

export interface ApiPlan {
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
}

export const apiPlanOf = (settings: RunSettings): ApiPlan =>
  settings.quick
    ? { rounds: settings.rounds ?? 1, seconds: 1, warmUpSeconds: 1 }
    : { rounds: settings.rounds ?? 5, seconds: 10, warmUpSeconds: 5 };

export interface ApiCase {
  readonly batch: number;
  readonly connections: number;
}

/** One window. `answered`: requests answered 200, each with `batch` publications. */
export interface ApiWindow extends ApiCase, Answers {
  readonly serverNs: number;
  /** Shares of one core. */
  readonly foreignBusy: number;
  readonly stealShare: number;
  /** Publications that the topic grew by: what was answered has to have happened. */
  readonly accepted: number;
}

interface Answers {
  readonly answered: number;
  readonly refused: number;
  readonly errors: number;
  readonly elapsedNs: number;
  readonly generatorNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  /** A compressed HDR histogram of nanoseconds in base64. */
  readonly latencies: string;
}

export interface ApiComparison {
  readonly engine: EngineName;
  readonly format: Format;
  readonly plan: ApiPlan;
  readonly windows: readonly ApiWindow[];
}

/** Each engine and format on a server of its own; its cases take turns, in another order each round. */
export async function* api(settings: RunSettings): AsyncGenerator<ApiComparison> {
  const plan = apiPlanOf(settings);
  const random = seededRandom(settings.seed);
  const cases = batchSizes.flatMap((batch) =>
    connectionCounts.map((connections) => ({ batch, connections })),
  );
  for (const engine of settings.engines) {
    for (const format of settings.formats) {
      const server = await startServer("fanwire", engine);
      const windows: ApiWindow[] = [];
      for (const each of cases) await measure(server, format, each, plan.warmUpSeconds);
      for (let round = 0; round < plan.rounds; round++) {
        for (const each of shuffled(cases, random)) {
          windows.push(await measure(server, format, each, plan.seconds));
        }
      }
      await server.stop();
      yield { engine, format, plan, windows };
    }
  }
}

async function measure(
  server: ServerProcess,
  format: Format,
  { batch, connections }: ApiCase,
  seconds: number,
): Promise<ApiWindow> {
  const topic = `room:api-${batch}-${connections}`;
  const base = `http://127.0.0.1:${server.port}`;
  const startedAt = await offsetOf(base, topic);
  const [cpu, machine] = [readCpu(server.pid), readMachine()];
  const answers = await shoot({
    url: `${base}/api/publish${batch === 1 ? "" : "/batch"}`,
    headers: { ...authorization, "content-type": `application/${format}` },
    body: bodyOf(topic, batch, format).toString("base64"),
    connections,
    seconds,
  });
  const { ns: serverNs } = cpuBetween(cpu, readCpu(server.pid));
  const now = readMachine();
  const { elapsedNs, generatorNs } = answers;
  return {
    batch,
    connections,
    ...answers,
    serverNs,
    foreignBusy: Math.max(0, (now.busyNs - machine.busyNs - serverNs - generatorNs) / elapsedNs),
    stealShare: (now.stealNs - machine.stealNs) / elapsedNs,
    accepted: (await offsetOf(base, topic)) - startedAt,
  };
}

const authorization = { authorization: `Bearer ${apiKey}` };
const packr = new Packr({ useRecords: false });

function bodyOf(topic: string, batch: number, format: Format): Buffer {
  const publication = { topic, data: "x".repeat(textBytes) };
  const body = batch === 1 ? publication : { publications: Array(batch).fill(publication) };
  return format === "json" ? Buffer.from(JSON.stringify(body)) : packr.pack(body);
}

async function offsetOf(base: string, topic: string): Promise<number> {
  const url = `${base}/api/topics/${topic}/history?limit=1`;
  const answer = await fetch(url, { headers: authorization });
  return ((await answer.json()) as { offset: number }).offset;
}

/** autocannon in a process of its own, on the generator's core. */
async function shoot(what: object): Promise<Answers> {
  const script = join(import.meta.dirname, "../client/cannon.mjs");
  const pinned = ["-c", String(cores.generator), "node", script, JSON.stringify(what)];
  const { stdout } = await execute("taskset", pinned, { maxBuffer: 16 * 2 ** 20 });
  return JSON.parse(stdout) as Answers;
}

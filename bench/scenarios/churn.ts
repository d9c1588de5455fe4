// Benchmark `churn`: connections made and closed by the hundred thousand, and hostile input by the hundred thousand; does the
// server keep anything of them?

import { setTimeout as pause } from "node:timers/promises";
import { apiKey } from "../../test/support/api-client.ts";
import { apiCase } from "../../test/support/hostile-api.ts";
import { askApi, hostileBodyBytes } from "../../test/support/hostile-api-case.ts";
import { ask, handshakeCase } from "../../test/support/hostile-handshakes.ts";
import { jsonCase } from "../../test/support/hostile-json.ts";
import { msgpackCase } from "../../test/support/hostile-msgpack.ts";
import { exchange } from "../../test/support/hostile-target.ts";
import { Random } from "../../test/support/random.ts";
import { secret, tokenFor } from "../../test/support/token.ts";
import { Connection } from "../client/connection.ts";
import { maskedFrame, opcode } from "../client/frames.ts";
import type { RunSettings } from "../settings.ts";
import { type Memory, type ProbedServer, startProbed } from "../targets/probed.ts";
import type { EngineName } from "../targets/servers.ts";

export const ordeals = ["connections", "hostile"] as const;
/** What a server has to bear: connections made and closed, or hostile frames, handshakes and API requests. */
export type Ordeal = (typeof ordeals)[number];

export interface ChurnPlan {
  /** Memory is read after each; the first quarter only warms up. */
  readonly rounds: number;
  readonly perRound: Readonly<Record<Ordeal, number>>;
  readonly settleMs: number;
}

export const churnPlanOf = (settings: RunSettings): ChurnPlan =>
  settings.quick
    ? { rounds: settings.rounds ?? 4, perRound: { connections: 500, hostile: 480 }, settleMs: 200 }
    : {
        rounds: settings.rounds ?? 25,
        perRound: { connections: 8000, hostile: 4000 },
        settleMs: 1000,
      };

export interface ChurnRound {
  readonly memory: Memory;
  /** What was not as it should be: a refused connection, an answer that the protocol does not allow. */
  readonly faults: readonly string[];
}

export interface ChurnRun {
  readonly engine: EngineName;
  readonly ordeal: Ordeal;
  readonly plan: ChurnPlan;
  readonly rounds: readonly ChurnRound[];
}

/** What is kept on purpose has to be full before the warm-up is over, or it would pass for a leak. */
const history = { size: 20 };
/** As test/hostile.slow.test.ts declares it: the expected answers depend on it. */
const namespaces = {
  room: { history },
  user: { history },
  broadcast: { history },
  small: { mode: "stream", maxPublishBytes: 256 },
  closed: { mode: "stream", subscribe: "none", publish: "none" },
  club: { mode: "volatile", subscribe: "members", publish: "members" },
};
/** For the same reason; and topics are let go of at once. */
const limits = {
  maxTopicsPerConnection: 50,
  topicLingerMs: 0,
  maxStoredTopics: 1000,
  maxIdempotencyKeys: 20,
  maxBodyBytes: hostileBodyBytes,
};
const environment = {
  FANWIRE_JWT_SECRET: secret,
  FANWIRE_ALLOWED_ORIGINS: "https://app.example",
  FANWIRE_API_KEY: apiKey,
};

/** Users that the connections belong to, in turn: a user's topic keeps its position when its connections are gone. */
const users = 1000;
const sources = 250;
const together = 64;
const framesPerConnection = 40;
const exchangesAtOnce = 4;
const faultsKept = 20;
/** The server lets go of topics and positions once a second. */
const sweepMs = 1500;

class Churning {
  readonly #server: ProbedServer;
  readonly #seed: number;
  readonly #tokens = Array.from({ length: users }, (_, at) => tokenFor(`user-${at}`));
  #made = 0;

  constructor(server: ProbedServer, seed: number) {
    this.#server = server;
    this.#seed = seed;
  }

  async connections(count: number): Promise<string[]> {
    const faults: string[] = [];
    for (let from = 0; from < count; from += together) {
      const batch = Array.from({ length: Math.min(together, count - from) }, () => this.#comeAndGo(faults));
      await Promise.all(batch);
    }
    return faults;
  }

  /** A third says goodbye, a third hangs up, a third is cut off. */
  async #comeAndGo(faults: string[]): Promise<void> {
    const number = this.#made++;
    const format = number % 2 === 0 ? "json" : "msgpack";
    const query = `?token=${this.#tokens[number % users]}`;
    const source = `127.0.1.${1 + (number % sources)}`;
    try {
      const connection = await Connection.open({ port: this.#server.port, format, query, source });
      const gone = new Promise<void>((resolve) => {
        connection.listener = { message: () => undefined, closed: () => resolve() };
      });
      if (number % 3 === 0) connection.write(maskedFrame(opcode.close, Buffer.from([0x03, 0xe8])));
      else if (number % 3 === 1) connection.close();
      else connection.cut();
      await gone;
    } catch (failure) {
      faults.push(String(failure));
    }
  }

  /** Half are frames, a fifth are handshakes, the others requests to the server API. */
  async hostile(count: number): Promise<string[]> {
    const batches = Math.round(count / 2 / framesPerConnection);
    const handshakes = Math.round(count / 5);
    const requests = count - batches * framesPerConnection - handshakes;
    const work = [
      ...Array.from({ length: batches }, () => () => this.#exchange()),
      ...Array.from({ length: handshakes }, () => () => this.#shakeHands()),
      ...Array.from({ length: requests }, () => () => this.#request()),
    ];
    const faults: string[] = [];
    const queue = work.values();
    const worker = async () => {
      for (const step of queue) faults.push(...(await step()));
    };
    await Promise.all(Array.from({ length: exchangesAtOnce }, worker));
    return faults;
  }

  #exchange(): Promise<string[]> {
    const batch = this.#made++;
    const random = new Random(this.#seed * 1_000_003 + batch);
    const format = batch % 2 === 0 ? "json" : "msgpack";
    const makeCase = format === "json" ? jsonCase : msgpackCase;
    const cases = Array.from({ length: framesPerConnection }, (_, at) =>
      makeCase(random, 1000 + at, `${batch}-${at}`),
    );
    return exchange(this.#server.port, format, cases);
  }

  #request(): Promise<string[]> {
    const number = this.#made++;
    return askApi(this.#server.port, apiCase(new Random(this.#seed * 1_000_003 + number), `api-${number}`));
  }

  async #shakeHands(): Promise<string[]> {
    const random = new Random(this.#seed * 1_000_003 + this.#made++);
    const request = handshakeCase(random, { port: this.#server.port, isDevelopment: false });
    const status = await ask(this.#server.port, request).catch(String);
    return request.statuses.includes(status) ? [] : [`${request.what} → ${status}, not ${request.statuses}`];
  }
}

async function run(engine: EngineName, ordeal: Ordeal, settings: RunSettings): Promise<ChurnRun> {
  const plan = churnPlanOf(settings);
  const server = await startProbed("fanwire", engine, { namespaces, limits, environment });
  const churning = new Churning(server, settings.seed);
  const rounds: ChurnRound[] = [];
  for (let round = 0; round < plan.rounds; round++) {
    const faults = await churning[ordeal](plan.perRound[ordeal]);
    await pause(sweepMs + plan.settleMs);
    rounds.push({ memory: await server.memory(), faults: faults.slice(0, faultsKept) });
  }
  await server.stop();
  return { engine, ordeal, plan, rounds };
}

export async function* churn(settings: RunSettings): AsyncGenerator<ChurnRun> {
  for (const engine of settings.engines) {
    for (const ordeal of ordeals) yield await run(engine, ordeal, settings);
  }
}

// A reconnect storm: a node that has all the clients is killed, and they come back on the two others with their real back-off, directly
// or through HAProxy.

import { readCpu, readMachine } from "../../bench/measure/cpu.ts";
import { Haproxy } from "../support/haproxy.ts";
import { RedisServer } from "../support/redis-server.ts";
import { Scrape } from "../support/scrape.ts";
import { Fleet } from "./fleet.ts";
import { type Judgement, judge, outageLengths, p99Of, quantile } from "./judgement.ts";
import { Node } from "./node.ts";

export type Entrance = "direct" | "haproxy";

export interface StormOptions {
  readonly entrance: Entrance;
  readonly clients: number;
  /** In how many processes. */
  readonly processes: number;
  readonly rooms: number;
  /** How often each client publishes. */
  readonly publishEveryMs: number;
  /** Under load before the node dies, so that there is something to be behind of; and after it. */
  readonly calmMs: number;
  readonly watchedMs: number;
  /** Within this time half of the clients, and all, have to be back and up to date. */
  readonly boundsMs: { readonly half: number; readonly all: number };
}

export interface StormResult extends Judgement {
  readonly entrance: Entrance;
  /** Back and up to date again, of half of the clients and of all; milliseconds. */
  readonly half: number;
  readonly p99: number;
  readonly all: number;
  /** What 99 % of all deliveries took at most, those before the storm and after it included; milliseconds. */
  readonly deliveryP99: number;
  /** By process, the largest share of a core in any 250 ms; of all cores for the machine. */
  readonly peaks: Readonly<Record<string, number>>;
  /** What Redis was asked, by command, and how the nodes served those who came with a position. */
  readonly asked: Readonly<Record<string, number>>;
}

const sampleMs = 250;
/** Beside the clients' connections, those that come while others are not gone yet. */
const spareConnections = 1000;

/** Where clients go, before the storm and in it. */
interface Entry extends AsyncDisposable {
  portsOf(index: number): readonly number[];
  /** Everybody is there: from now on all nodes may be used. */
  opened(): Promise<void>;
  readonly pids: Readonly<Record<string, number>>;
}

export async function runStorm(options: StormOptions): Promise<StormResult> {
  const { entrance, clients, processes, rooms, publishEveryMs, calmMs, watchedMs, boundsMs } = options;
  await using redis = await RedisServer.start();
  await using victim = await Node.start("uws", redis.url);
  await using bun = await Node.start("bun", redis.url);
  await using uws = await Node.start("uws", redis.url);
  const others = [bun, uws];
  await using entry = await entries[entrance](victim, others, options);
  const runtimes = Array.from({ length: processes }, () => "Bun" as const);
  const portsOf = (index: number) => entry.portsOf(index);
  await using fleet = await Fleet.start({
    ...{ clients, runtimes, rooms, publishEveryMs, portsOf },
    roomsPerClient: 1,
  });
  await entry.opened();
  await fleet.begin();
  await pause(calmMs);
  const before = await asked(redis, others);
  await victim.kill();
  const peaks = await watch({ bun: bun.pid, uws: uws.pid, ...entry.pids }, watchedMs);
  const after = await asked(redis, others);
  const { reports, stragglers } = await fleet.end();
  const judgement = judge(reports, 0);
  const members = reports.flatMap((report) => report.members);
  const lengths = outageLengths(members);
  const late = members.flatMap((member) => member.late.map(([from, to]) => to - from));
  const [half, all] = [quantile(lengths, 0.5), lengths.at(-1) ?? Number.POSITIVE_INFINITY];
  const broken = [
    ...judgement.broken,
    ...others.flatMap(({ complaints }) => complaints.slice(0, 3)),
    ...(stragglers > 0 ? [`${stragglers} clients have not arrived`] : []),
    ...(lengths.length < clients ? [`only ${lengths.length} clients were on the node that died`] : []),
    ...(half > boundsMs.half ? [`half were back after ${half} ms, not ${boundsMs.half}`] : []),
    ...(all > boundsMs.all ? [`all were back after ${all} ms, not ${boundsMs.all}`] : []),
  ];
  return {
    ...judgement,
    ...{ entrance, half, all, peaks, broken },
    p99: quantile(lengths, 0.99),
    deliveryP99: p99Of(
      late.sort((one, other) => one - other),
      judgement.deliveries,
    ),
    asked: Object.fromEntries(
      Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]),
    ),
  };
}

const entries: Record<
  Entrance,
  (victim: Node, others: readonly Node[], options: StormOptions) => Promise<Entry>
> = {
  /** The first try goes to the victim. Which of the others is next is chance, as with a balancer. */
  async direct(victim, others, { processes }) {
    const [one, other] = others.map(({ port }) => port) as [number, number];
    const orders = [
      [victim.port, one, other],
      [victim.port, other, one],
    ];
    return {
      pids: {},
      portsOf: (index) => orders[Math.floor(index / processes) % orders.length]!,
      opened: async () => undefined,
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
  /** The others are taken out by hand until everybody is on the victim. */
  async haproxy(victim, others, { clients }) {
    const haproxy = await Haproxy.start(
      [victim, ...others].map(({ port }) => port),
      { maxConnections: clients + spareConnections },
    );
    const ids = [2, 3];
    for (const id of [1, ...ids]) await haproxy.sees(id, "UP");
    for (const id of ids) await haproxy.command(`set server sockets/n${id} state drain`);
    return {
      pids: { HAProxy: await haproxy.workerPid() },
      portsOf: () => [haproxy.port],
      async opened() {
        for (const id of ids) await haproxy.command(`set server sockets/n${id} state ready`);
        for (const id of ids) await haproxy.sees(id, "UP");
      },
      [Symbol.asyncDispose]: () => haproxy.end(),
    };
  },
};

/** What Redis has been asked since it began, by command; and how the nodes served those who came with a position. */
async function asked(redis: RedisServer, nodes: readonly Node[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  const stats = await redis.command("info", "commandstats");
  for (const [, name, calls] of stats.matchAll(/cmdstat_(\S+?):calls=(\d+)/g)) {
    counts[`Redis ${name}`] = Number(calls);
  }
  for (const node of nodes) {
    const scrape = new Scrape(await node.metrics());
    for (const outcome of ["ring", "history", "reset"]) {
      const name = `recovered from ${outcome}`;
      counts[name] = (counts[name] ?? 0) + scrape.sum("fanwire_recoveries_total", { outcome });
    }
  }
  return counts;
}

async function watch(
  pids: Readonly<Record<string, number>>,
  watchedMs: number,
): Promise<Record<string, number>> {
  const peaks: Record<string, number> = {};
  const endMs = performance.now() + watchedMs;
  let last = taken(pids);
  while (performance.now() < endMs) {
    await pause(sampleMs);
    const now = taken(pids);
    for (const [name, ns] of Object.entries(now.ns)) {
      const share = (ns - last.ns[name]!) / (now.atNs - last.atNs);
      peaks[name] = Math.max(peaks[name] ?? 0, share);
    }
    last = now;
  }
  return peaks;
}

interface Taken {
  readonly atNs: number;
  readonly ns: Readonly<Record<string, number>>;
}

function taken(pids: Readonly<Record<string, number>>): Taken {
  const ns: Record<string, number> = { machine: readMachine().busyNs };
  for (const [name, pid] of Object.entries(pids)) {
    ns[name] = [...readCpu(pid).threads.values()].reduce((sum, own) => sum + own, 0);
  }
  return { atNs: performance.now() * 1e6, ns };
}

function pause(durationMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, durationMs));
}

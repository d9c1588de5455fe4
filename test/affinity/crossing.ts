// What `?room=` saves: how many publications have a receiver on another node than their publisher's, with real nodes, a Redis and HAProxy,
// and how many connections each node has then.

import { Connection, type Listener } from "../../bench/client/connection.ts";
import { Haproxy } from "../support/haproxy.ts";
import { Random } from "../support/random.ts";
import { RedisServer } from "../support/redis-server.ts";
import { startServer } from "../support/served.ts";
import { secret, tokenFor } from "../support/token.ts";
import { unevenness } from "./rooms.ts";

export interface CrossingPlan {
  /** Members of each room. */
  readonly sizes: readonly number[];
  /** Each by a member drawn by lot: so large rooms have many. */
  readonly publications: number;
  readonly seed: number;
}

/** One way to place clients. */
export interface Placement {
  readonly name: string;
  readonly hasRoom: boolean;
  /** The most of an even share that a node gets; 0: any. */
  readonly balancePercent: number;
}

export const placements: readonly Placement[] = [
  { name: "by user", hasRoom: false, balancePercent: 150 },
  { name: "by room, unbounded", hasRoom: true, balancePercent: 0 },
  { name: "by room, at most 150 %", hasRoom: true, balancePercent: 150 },
];

export interface CrossingResult {
  readonly placement: Placement;
  readonly members: number;
  /** By node. */
  readonly connections: readonly number[];
  /** The most that a node has, as a multiple of an even share. */
  readonly unevenness: number;
  readonly rooms: number;
  /** All of whose members are on one node. */
  readonly roomsTogether: number;
  readonly publications: number;
  /** With a receiver on another node than the publisher's. */
  readonly crossing: number;
  readonly deliveries: number;
  readonly crossingDeliveries: number;
  /** Deliveries that did not come, or came too often. */
  readonly missing: number;
  /** To how many nodes a publication goes, on average. */
  readonly nodesPerPublication: number;
}

const engines = ["bun", "uws", "bun"] as const;
const together = 64;
const spareConnections = 500;
const arrivalMs = 20_000;

interface Member {
  readonly room: number;
  readonly connection: Connection;
  readonly nodeId: string;
}

/** Of each publication, who has got it. */
class Receipts implements Listener {
  readonly byPublication = new Map<number, Connection[]>();
  count = 0;

  message(connection: Connection, buffer: Buffer, start: number, end: number): void {
    const frame = JSON.parse(buffer.toString("utf8", start, end)) as { type: string; data: number };
    if (frame.type !== "message") return;
    this.count += 1;
    const receivers = this.byPublication.get(frame.data);
    if (receivers) receivers.push(connection);
    else this.byPublication.set(frame.data, [connection]);
  }
}

export async function* measureCrossing(plan: CrossingPlan): AsyncGenerator<CrossingResult> {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await RedisServer.start());
  const ports: number[] = [];
  for (const [index, engine] of engines.entries()) {
    const options = { nodeId: `n${index + 1}`, jwtSecret: secret, trustedProxies: ["127.0.0.1"] };
    const node = stack.use(await startServer(engine, { ...options, redis: { urls: [redis.url] } }));
    ports.push(node.port);
  }
  for (const placement of placements) yield await measure(plan, placement, ports);
}

async function measure(
  plan: CrossingPlan,
  placement: Placement,
  ports: readonly number[],
): Promise<CrossingResult> {
  const { sizes, seed } = plan;
  const members = sizes.reduce((sum, size) => sum + size, 0);
  const { balancePercent } = placement;
  await using haproxy = await Haproxy.start(ports, {
    balancePercent,
    maxConnections: members + spareConnections,
  });
  for (const [index] of ports.entries()) await haproxy.sees(index + 1, "UP");
  const receipts = new Receipts();
  const all = await gather(plan, placement, haproxy.port, receipts);
  const random = new Random(seed + 1);
  const publishers = Array.from({ length: plan.publications }, () => random.pick(all));
  for (const [number, { connection, room }] of publishers.entries()) {
    await connection.request({ type: "publish", topic: topicOf(placement, room), data: number });
  }
  const expected = publishers.reduce((sum, { room }) => sum + sizes[room]!, 0);
  const endMs = performance.now() + arrivalMs;
  while (receipts.count < expected && performance.now() < endMs) await Bun.sleep(10);
  const result = account(plan, placement, all, publishers, receipts);
  for (const { connection } of all) connection.cut();
  return result;
}

/** In random order: members of one room do not come together. */
async function gather(
  { sizes, seed }: CrossingPlan,
  placement: Placement,
  port: number,
  listener: Listener,
): Promise<readonly Member[]> {
  const random = new Random(seed);
  const waiting = sizes.flatMap((size, room) => Array.from({ length: size }, () => room));
  for (let at = waiting.length - 1; at > 0; at--) {
    const other = random.below(at + 1);
    [waiting[at], waiting[other]] = [waiting[other]!, waiting[at]!];
  }
  const open = async (room: number, index: number): Promise<Member> => {
    const token = tokenFor(`user-${index}`);
    const query = `?join=none&token=${token}${placement.hasRoom ? `&room=${room}` : ""}`;
    const connection = await Connection.open({ port, format: "json", query }, index);
    connection.listener = listener;
    await connection.request({ type: "subscribe", topic: topicOf(placement, room) });
    return { room, connection, nodeId: connection.connected.nodeId as string };
  };
  const members: Member[] = [];
  for (let from = 0; from < waiting.length; from += together) {
    const some = waiting.slice(from, from + together);
    members.push(...(await Promise.all(some.map((room, at) => open(room, from + at)))));
  }
  return members;
}

/** A room of its own for each placement: nodes remember a topic for a while that nobody is in any more. */
const topicOf = ({ hasRoom, balancePercent }: Placement, room: number): string =>
  `room:${hasRoom ? "room" : "user"}-${balancePercent}-${room}`;

function account(
  { sizes }: CrossingPlan,
  placement: Placement,
  members: readonly Member[],
  publishers: readonly Member[],
  { byPublication, count }: Receipts,
): CrossingResult {
  const nodeIds = engines.map((_, index) => `n${index + 1}`);
  const connections = nodeIds.map((id) => members.filter(({ nodeId }) => nodeId === id).length);
  const nodesOfRooms = sizes.map(() => new Set<string>());
  for (const { room, nodeId } of members) nodesOfRooms[room]!.add(nodeId);
  const sums = { crossing: 0, crossingDeliveries: 0, missing: 0, nodes: 0 };
  for (const [number, { room, nodeId }] of publishers.entries()) {
    const receivers = byPublication.get(number) ?? [];
    const places = receivers.map(({ index }) => members[index]!.nodeId);
    const elsewhere = places.filter((place) => place !== nodeId).length;
    sums.crossing += elsewhere > 0 ? 1 : 0;
    sums.crossingDeliveries += elsewhere;
    sums.missing +=
      Math.abs(sizes[room]! - new Set(receivers).size) + receivers.length - new Set(receivers).size;
    sums.nodes += new Set([nodeId, ...places]).size;
  }
  return {
    placement,
    members: members.length,
    connections,
    unevenness: unevenness(connections),
    rooms: sizes.length,
    roomsTogether: nodesOfRooms.filter(({ size }) => size === 1).length,
    publications: publishers.length,
    crossing: sums.crossing,
    deliveries: count,
    crossingDeliveries: sums.crossingDeliveries,
    missing: sums.missing,
    nodesPerPublication: sums.nodes / publishers.length,
  };
}

/** Everything that must not be, in words. */
export function crossingFaults(results: readonly CrossingResult[]): readonly string[] {
  const faults = results.flatMap(({ placement, missing, members, connections, crossing }) => {
    const { name, hasRoom, balancePercent } = placement;
    // Who arrives is counted before it is compared: one more than the share, rounded up, may be there.
    const most = Math.ceil(((members + 1) * balancePercent) / 100 / connections.length) + 1;
    return [
      ...(missing > 0 ? [`${name}: ${missing} deliveries are missing or doubled`] : []),
      ...(balancePercent > 0 && Math.max(...connections) > most
        ? [`${name}: a node has ${Math.max(...connections)} connections of at most ${most}`]
        : []),
      ...(hasRoom && balancePercent === 0 && crossing > 0
        ? [`${name}: ${crossing} publications crossed`]
        : []),
    ];
  });
  const of = (isSo: (placement: Placement) => boolean) =>
    results.find(({ placement }) => isSo(placement))?.crossing ?? Number.NaN;
  const bounded = of(({ hasRoom, balancePercent }) => hasRoom && balancePercent > 0);
  const byUser = of(({ hasRoom }) => !hasRoom);
  return bounded < byUser
    ? faults
    : [...faults, `by room ${bounded} publications crossed, by user ${byUser}`];
}

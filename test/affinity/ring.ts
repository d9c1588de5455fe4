// HAProxy's ring by itself: how evenly it spreads rooms, and which of them move when a node leaves and returns. Its nodes are played,
// because no node has a say in it.

import { Haproxy } from "../support/haproxy.ts";
import { PlayedNode } from "../support/played-node.ts";
import { unevenness } from "./rooms.ts";

export interface RingPlan {
  readonly nodes: number;
  /** Members of each room. */
  readonly sizes: readonly number[];
  /** The rooms under so many names: each time they lie elsewhere on the ring. */
  readonly sets: number;
}

export interface RingResult {
  readonly nodes: number;
  /** The most rooms that a node has, as a multiple of an even share; of each set of names. */
  readonly rooms: readonly number[];
  /** The same of members. */
  readonly members: readonly number[];
  readonly departures: readonly Departure[];
}

/** One node leaves and returns. */
export interface Departure {
  readonly node: number;
  readonly how: "draining" | "failing";
  readonly keys: number;
  /** Of all keys, those that were on that node. */
  readonly own: number;
  /** Those that are somewhere else while it is away. */
  readonly moved: number;
  /** Those of them that had no reason to. */
  readonly movedOfOthers: number;
  /** Those that are not where they were once it is back. */
  readonly astray: number;
}

const together = 32;

/** Answers with its name. */
class NamedNode extends PlayedNode {
  readonly id: number;

  constructor(id: number) {
    super((response) => response.end(`${id}`));
    this.id = id;
  }
}

export async function measureRing({ nodes: count, sizes, sets }: RingPlan): Promise<RingResult> {
  await using stack = new AsyncDisposableStack();
  const nodes = Array.from({ length: count }, (_, index) => new NamedNode(index + 1));
  await Promise.all(nodes.map((node) => node.listen()));
  for (const node of nodes) stack.use(node);
  const ports = nodes.map(({ port }) => port);
  const haproxy = stack.use(await Haproxy.start(ports, { balancePercent: 0 }));
  for (const { id } of nodes) await haproxy.sees(id, "UP");
  const namesOf = (set: number) => sizes.map((_, room) => `${set}-${room}`);
  const places: (readonly number[])[] = [];
  for (let set = 0; set < sets; set++) places.push(await placesOf(haproxy, namesOf(set)));
  const loads = (of: readonly number[], weight: (room: number) => number) =>
    nodes.map(({ id }) => of.reduce((sum, node, room) => sum + (node === id ? weight(room) : 0), 0));
  const departures: Departure[] = [];
  for (const node of nodes) departures.push(await depart(haproxy, node, namesOf(0), places[0]!));
  return {
    nodes: count,
    rooms: places.map((of) => unevenness(loads(of, () => 1))),
    members: places.map((of) => unevenness(loads(of, (room) => sizes[room]!))),
    departures,
  };
}

/** One half of the nodes drain, the other half break. */
async function depart(
  haproxy: Haproxy,
  node: NamedNode,
  names: readonly string[],
  before: readonly number[],
): Promise<Departure> {
  const how = node.id % 2 === 0 ? "draining" : "failing";
  node.state = how;
  await haproxy.sees(node.id, how === "draining" ? "NOLB" : "DOWN");
  const without = await placesOf(haproxy, names);
  node.state = "ready";
  await haproxy.sees(node.id, "UP");
  const after = await placesOf(haproxy, names);
  const moved = before.filter((place, key) => place !== without[key]);
  return {
    node: node.id,
    how,
    keys: names.length,
    own: before.filter((place) => place === node.id).length,
    moved: moved.length,
    movedOfOthers: moved.filter((place) => place !== node.id).length,
    astray: before.filter((place, key) => place !== after[key]).length,
  };
}

/** The node of each room. */
async function placesOf({ port }: Haproxy, names: readonly string[]): Promise<readonly number[]> {
  const places: number[] = [];
  for (let from = 0; from < names.length; from += together) {
    const some = names.slice(from, from + together).map(async (name) => {
      const response = await fetch(`http://127.0.0.1:${port}/ws?room=${name}`);
      return Number(await response.text());
    });
    places.push(...(await Promise.all(some)));
  }
  return places;
}

/** Everything that must not be, in words. */
export function ringFaults({ nodes, departures }: RingResult): readonly string[] {
  return departures.flatMap(({ node, how, keys, own, moved, movedOfOthers, astray }) => {
    const of = `of ${nodes} nodes, ${node} ${how}`;
    const share = own / keys;
    return [
      ...(movedOfOthers > 0 ? [`${of}: ${movedOfOthers} rooms of others moved`] : []),
      ...(moved < own ? [`${of}: ${own - moved} of its own rooms did not move`] : []),
      ...(astray > 0 ? [`${of}: ${astray} rooms are not where they were`] : []),
      ...(share < 0.5 / nodes || share > 2 / nodes ? [`${of}: it had ${own} of ${keys} rooms`] : []),
    ];
  });
}

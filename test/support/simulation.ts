// One seeded run of a simulated world, and the promises that have to have been kept at its end. Touches nothing inside a node.

import type { Publication } from "../../src/bridge/bridge.ts";
import { unpackPublication } from "../../src/bridge/envelope.ts";
import { StoreKeys } from "../../src/bridge/store-keys.ts";
import type { Person } from "./simulated-clients.ts";
import { leaseMs, prefix, presenceGraceMs, type SimulatedNode, simulatedTopics } from "./simulated-node.ts";
import { SimulatedWorld } from "./simulated-world.ts";

export interface SimulationResult {
  readonly seed: number;
  /** What was broken; empty where every promise was kept. */
  readonly complaints: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
}

const keys = new StoreKeys(prefix);
/** The longest history that can be published anew while a connection is silent and not yet given up. */
const mostOvertaken = 40;
const keepUpMs = 250;
/** The longest fault, one rotation of idle checks, and the lease of a node that was killed last. */
const settlingMs = 21_000 + leaseMs + presenceGraceMs + 7000;

type Action = (world: SimulatedWorld) => void;

/** How often what happens. */
const actions: readonly (readonly [weight: number, name: string, act: Action])[] = [
  [30, "publish", (world) => world.publish(world.random.between(1, 4))],
  [6, "burst", (world) => world.publish(world.random.between(10, 60))],
  [15, "value", (world) => world.publishValue()],
  [6, "volatile", (world) => void world.publishVolatile()],
  [4, "race", (world) => world.race()],
  [8, "move", (world) => world.movePerson()],
  [6, "slow reader", (world) => world.slowPerson()],
  [5, "cut", (world) => world.cut()],
  [3, "overrun", (world) => world.overrun()],
  [4, "stall", (world) => world.stall()],
  [2, "stranded", (world) => world.strand()],
  [4, "loss", (world) => world.loseMessages()],
  [3, "slow network", (world) => world.slowDown()],
  [1, "redis pause", (world) => world.pauseRedis()],
  [2, "script flush", (world) => world.redis.flushScripts()],
  [2, "snapshot", (world) => world.takeSnapshot()],
  [2, "restart", (world) => world.restartRedis()],
  [2, "node pause", (world) => world.pauseNode()],
  [2, "node killed", (world) => world.replaceNode()],
];
const totalWeight = actions.reduce((sum, [weight]) => sum + weight, 0);

export async function simulate(seed: number): Promise<SimulationResult> {
  const world = new SimulatedWorld(seed);
  const complaints: string[] = [];
  try {
    await run(world);
    complaints.push(...(await broken(world)));
  } catch (fault) {
    complaints.push(`something threw: ${fault instanceof Error ? (fault.stack ?? fault.message) : fault}`);
  }
  world.count(world.reliability);
  world.counts.acknowledged = world.publishers.acknowledged;
  return { seed, complaints, counts: world.counts };
}

async function run(world: SimulatedWorld): Promise<void> {
  const { random, time } = world;
  let isOver = false;
  const keepUp = () => {
    if (isOver) return;
    world.keepUp();
    time.after(keepUpMs, keepUp);
  };
  keepUp();
  await time.advance(random.below(500));
  const steps = random.between(20, 70);
  for (let step = 0; step < steps; step++) {
    act(world);
    await time.advance(random.pick([0, 1, 5, 50, 300, random.below(2000)]));
  }
  world.heal();
  await time.advance(settlingMs / 2);
  // What was paused or slowed by then has ended too.
  world.heal();
  await time.advance(settlingMs / 2);
  isOver = true;
}

function act(world: SimulatedWorld): void {
  let chance = world.random.below(totalWeight);
  for (const [weight, name, action] of actions) {
    chance -= weight;
    if (chance >= 0) continue;
    world.count(name);
    action(world);
    return;
  }
}

/** What was promised and not kept. */
async function broken(world: SimulatedWorld): Promise<string[]> {
  const complaints = [
    ...(await volatileBroken(world)),
    ...(await presenceBroken(world)),
    ...everybodyBroken(world),
    ...(await promptnessBroken(world)),
    ...(await overtakenBroken(world)),
    ...(await lateBroken(world)),
    ...everybodyBroken(world),
  ];
  const { ledger, publishers } = world;
  ledger.lookAtOrder();
  if (publishers.unsettled > 0) complaints.push(`${publishers.unsettled} publications were never settled`);
  complaints.push(...publishers.complaints, ...ledger.complaints, ...acknowledgementsBroken(world));
  for (const { name, needlessResets } of world.everyNode)
    complaints.push(...needlessResets.complaints.map((complaint) => `${name}: ${complaint}`));
  return complaints;
}

/** Where everybody stands, and what was complained about on the way. */
function everybodyBroken(world: SimulatedWorld): string[] {
  const complaints: string[] = [];
  for (const person of world.people) {
    person.look();
    complaints.push(...person.complaints.splice(0).map((complaint) => `${person.name}: ${complaint}`));
    for (const topic of person.topics) complaints.push(...topicBroken(world, person, topic));
    if (person.reader.behind) complaints.push(`${person.name} is still behind`);
    complaints.push(...valuesBroken(world, person));
  }
  return complaints;
}

function topicBroken(world: SimulatedWorld, person: Person, topic: string): string[] {
  const who = `${person.name} in ${topic}`;
  if (!person.reader.subscriptions.get(topic)?.live) return [`${who} is not live`];
  if (topic === simulatedTopics.volatile) return [];
  const complaints: string[] = [];
  const meta = world.redis.data.meta(keys.meta(topic));
  const position = person.position(topic);
  const least = topic === simulatedTopics.latest ? newestValueOffset(world) : (meta?.offset ?? 0);
  const isThere = position?.epoch === meta?.epoch && (position?.offset ?? -1) >= least;
  if (!isThere || position!.offset > meta!.offset) {
    complaints.push(
      `${who} is at ${position?.epoch}:${position?.offset}, Redis at ${meta?.epoch}:${meta?.offset}`,
    );
  }
  const { endings, firstEpoch } = person.continuity.get(topic)!;
  const expected = firstEpoch === meta?.epoch ? 0 : 1;
  if (world.reliability !== "unreliable" && endings !== expected) {
    complaints.push(`${who} was told ${endings} times that continuity ended, and not ${expected}`);
  }
  return complaints;
}

/** Where Redis forgets nothing, what was acknowledged is there; that everybody saw it follows from where they stand. */
function acknowledgementsBroken({ ledger, redis, reliability, isEmptied }: SimulatedWorld): string[] {
  if (reliability === "unreliable" || (reliability === "restarts" && isEmptied)) return [];
  const lost = ledger.acknowledged.filter(({ topic, position }) => {
    return position.offset > (redis.data.meta(keys.meta(topic))?.offset ?? 0);
  });
  return lost.map(({ topic, position }) => `${topic} ${position.offset} was acknowledged and is not there`);
}

/**
 * Of a removal that came after all values, whoever begins anew is not told: after a reset the values alone say where a reader is, and
 * a new event stream has ids of values only.
 */
function newestValueOffset({ redis }: SimulatedWorld): number {
  const values = [...redis.data.values(keys.values(simulatedTopics.latest)).values()];
  return Math.max(0, ...values.filter(({ isRemoval }) => !isRemoval).map(({ offset }) => offset));
}

function valuesBroken({ redis }: SimulatedWorld, { name, shown }: Person): string[] {
  if (!shown) return [];
  const stored: Record<string, unknown> = {};
  const values = redis.data.values(keys.values(simulatedTopics.latest));
  for (const [key, { offset, isRemoval, item }] of values) {
    const publication: Publication | undefined = unpackPublication(item, offset);
    if (!isRemoval) stored[key] = publication?.data;
  }
  const isSame = Object.keys({ ...stored, ...shown }).every((key) => stored[key] === shown[key]);
  return isSame ? [] : [`${name} shows other values than Redis has`];
}

/** Once all is well, everybody hears everybody, once. */
async function volatileBroken(world: SimulatedWorld): Promise<string[]> {
  const published = world.nodes.map((node) => world.publishVolatile(node));
  await world.time.advance(1000);
  const complaints: string[] = [];
  for (const person of world.people) {
    if (!person.topics.includes(simulatedTopics.volatile)) continue;
    person.look();
    const missing = published.filter((id) => !person.volatileSeen.has(id));
    if (missing.length > 0) complaints.push(`${person.name} did not hear volatile ${missing}`);
  }
  return complaints;
}

/** What is lost is made up for when the next one comes, and when the connection is there again: not only by a rotation. */
async function promptnessBroken(world: SimulatedWorld): Promise<string[]> {
  const complaints: string[] = [];
  for (const topic of simulatedTopics.streams) {
    world.lossPercent = 100;
    world.publish(1, topic);
    await world.time.advance(200);
    world.lossPercent = 0;
    world.publish(1, topic);
    await world.time.advance(300);
    complaints.push(...behindIn(world, topic, "after one was lost"));
  }
  for (const { process } of world.nodes) for (const connection of process.connections) connection.cut();
  for (const topic of simulatedTopics.streams) world.publish(1, topic);
  await world.time.advance(2500);
  for (const topic of simulatedTopics.streams) complaints.push(...behindIn(world, topic, "after a cut"));
  return complaints;
}

/** Where history is gone of what is on its way by the channel, an answer that overtakes that is no end of continuity. */
async function overtakenBroken(world: SimulatedWorld): Promise<string[]> {
  if (world.historySize > mostOvertaken) return [];
  const topic = simulatedTopics.streams[0];
  const before = world.people.map((person) => endingsOf(person, topic));
  for (const node of world.nodes) {
    const held = node.process.connections.filter((connection) => world.redis.isSubscribed(connection));
    for (const connection of held) connection.stall();
    for (let count = 0; count < world.historySize + 2; count++) {
      world.publish(1, topic, node);
      await world.time.advance(5);
    }
    await world.time.advance(500);
    for (const connection of held) connection.resume();
    await world.time.advance(1500);
  }
  const told = world.people.filter((person, index) => endingsOf(person, topic) !== before[index]);
  return told.map(({ name }) => `${name} was told that ${topic} ended, when an answer overtook the channel`);
}

function endingsOf(person: Person, topic: string): number | undefined {
  person.look();
  return person.continuity.get(topic)?.endings;
}

function behindIn(world: SimulatedWorld, topic: string, when: string): string[] {
  const { offset } = world.redis.data.meta(keys.meta(topic))!;
  const behind = world.people.filter((person) => {
    person.look();
    return person.topics.includes(topic) && person.position(topic)?.offset !== offset;
  });
  return behind.map(({ name }) => `${name} is not at the head of ${topic} ${when}`);
}

/** Everybody is there with one connection, whatever became of those before it. */
async function presenceBroken(world: SimulatedWorld): Promise<string[]> {
  const topic = simulatedTopics.streams[1];
  const rooms = world.people.filter((person) => person.topics.includes(topic));
  const expected = inOrder(rooms.map(({ name }) => `${name} 1`));
  const complaints: string[] = [];
  for (const { bridge } of world.nodes) {
    const told = bridge.present(topic, 100).then(
      ({ members }) => inOrder(members.map(({ userId, sessions }) => `${userId} ${sessions}`)),
      (failure: unknown) => String(failure),
    );
    await world.time.advance(1000);
    const there = await told;
    if (there !== expected) complaints.push(`${topic} has ${there}, a node says, and not ${expected}`);
  }
  return complaints;
}

/**
 * That somebody came is still in a connection that their node gave up, and arrives once they have gone again. Nothing but the fence
 * keeps it out: nobody of the node is in the topic, so what Redis has there looks as it did before they came.
 */
async function lateBroken(world: SimulatedWorld): Promise<string[]> {
  const [node, other] = world.nodes as [SimulatedNode, SimulatedNode];
  for (const person of world.people) person.moveTo(other);
  await world.time.advance(500);
  const held = node.process.connections;
  for (const connection of held) connection.stall();
  const visitor = world.people.find((person) => person.topics.includes(simulatedTopics.streams[1]))!;
  visitor.moveTo(node);
  await world.time.advance(100);
  for (const connection of held) connection.close();
  visitor.moveTo(other);
  // The node connects anew, and tells that nobody is there.
  await world.time.advance(2000);
  for (const connection of held) connection.resume();
  await world.time.advance(200);
  return presenceBroken(world);
}

function inOrder(lines: readonly string[]): string {
  return [...lines].sort().join(", ");
}

// Anything that can happen between nodes with presence, by a seed, and what has to be true after it.

import { expect } from "bun:test";
import { graceMs, leaseMs, PresenceWorld, type WorldNode } from "./presence-world.ts";
import { Random } from "./random.ts";

/** Users and how many sessions they have, as a node answers. */
export async function present(node: WorldNode, of = "room:1"): Promise<Record<string, number>> {
  const { count, members } = await node.presence.present(of, Number.POSITIVE_INFINITY);
  expect(members.length).toBe(count);
  return Object.fromEntries(members.map(({ userId, sessions }) => [userId, sessions]));
}

/** Answers while the world goes on. */
export async function ask<Answer>(world: PresenceWorld, asked: Promise<Answer>): Promise<Answer> {
  asked.catch(() => undefined);
  await world.settle();
  return asked;
}

const topics = ["room:1", "room:2"];
const users = ["ann", "ben", "cat", "dan"];

class Chaos {
  readonly world = new PresenceWorld();
  readonly #random: Random;
  readonly #late: (() => void)[] = [];
  #copies = [this.world.copy()];
  #names = 0;

  constructor(seed: number) {
    this.#random = new Random(seed);
    for (let node = 0; node < 3; node++) this.#start();
  }

  async step(): Promise<void> {
    const random = this.#random;
    const node = random.pick(this.world.nodes);
    const of = random.pick(topics);
    const session = `${node.name}${random.below(4)}`;
    const chance = random.below(100);
    if (chance < 30) node.enter(of, session, this.#userOf(session));
    else if (chance < 55) node.exit(of, session);
    else if (chance < 60) node.follow(of);
    else if (chance < 63) node.unfollow(of);
    else if (chance < 70) this.world.losses += random.below(4);
    else if (chance < 74) this.#cut(node);
    else if (chance < 76) this.#executeLate();
    else if (chance < 79) node.isPaused = !node.isPaused;
    else if (chance < 81) node.isHeld = !node.isHeld;
    else if (chance < 82) this.#replace(node);
    else if (chance < 83) this.world.restart(random.below(2) ? random.pick(this.#copies) : undefined);
    else if (chance < 84) this.#copies.push(this.world.copy());
    else if (chance < 85) this.world.stored = new PresenceWorld().stored;
    else await this.world.wait(random.pick([1, 100, 1000, 6000, 20_000]));
    if (random.below(2)) await this.world.settle();
  }

  /** Everything heals, and time passes. */
  async rest(): Promise<void> {
    for (const node of this.world.nodes) {
      node.isPaused = false;
      node.isHeld = false;
    }
    this.world.losses = 0;
    await this.world.wait(2000);
    this.#executeLate();
    await this.world.wait(leaseMs + graceMs + 5000);
  }

  truth(of: string): Record<string, number> {
    const found: Record<string, number> = {};
    for (const { sessions } of this.world.nodes) {
      for (const user of sessions.get(of)?.values() ?? []) found[user] = (found[user] ?? 0) + 1;
    }
    return found;
  }

  /** What dead connections still had in them reaches Redis. */
  #executeLate(): void {
    for (const execute of this.#late.splice(0)) execute();
  }

  #start(): void {
    const node = this.world.start(`n${++this.#names}-`);
    if (this.#random.below(4)) node.follow(topics[0]!);
  }

  #replace(node: WorldNode): void {
    node.kill();
    this.world.nodes.splice(this.world.nodes.indexOf(node), 1);
    this.#start();
  }

  #cut(node: WorldNode): void {
    const fate = this.#random.below(4);
    if (fate < 2) node.cut();
    else if (fate === 2) node.cut((execute) => execute());
    else node.cut((execute) => this.#late.push(execute));
  }

  #userOf(session: string): string {
    return users[session.charCodeAt(session.length - 1) % users.length]!;
  }
}

export async function checkSeed(seed: number, steps: number): Promise<void> {
  const chaos = new Chaos(seed);
  for (let step = 0; step < steps; step++) await chaos.step();
  await chaos.rest();
  for (const of of topics) {
    const truth = chaos.truth(of);
    for (const node of chaos.world.nodes) {
      expect({ seed, of, users: await ask(chaos.world, present(node, of)) }).toEqual({
        seed,
        of,
        users: truth,
      });
      for (const user of node.told(of, "came")) expect(truth[user], `seed ${seed}`).toBeDefined();
      for (const user of node.told(of, "went")) expect(truth[user], `seed ${seed}`).toBeUndefined();
      expect(node.malformed).toBe(0);
    }
  }
}

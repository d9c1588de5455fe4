// Nodes over one model of Redis, people and publishers, in a time of their own, and everything that can happen to them. Seeded from
// outside: whoever runs it decides what happens.

import { ModelRedis } from "./model-redis.ts";
import type { ModelConnection } from "./model-redis-connection.ts";
import { Random } from "./random.ts";
import { type Person, RoomPerson, TickerPerson } from "./simulated-clients.ts";
import { SimulatedLedger } from "./simulated-ledger.ts";
import { SimulatedNode, simulatedTopics } from "./simulated-node.ts";
import { SimulatedPublishers } from "./simulated-publishers.ts";
import { EventPerson } from "./simulated-streams.ts";
import { VirtualClock } from "./virtual-clock.ts";

/**
 * What may befall Redis. `reliable`: it keeps what it has. `restarts`: once it comes back, with its data or without. `unreliable`:
 * it restarts, rolls back and is emptied again and again, and history may be short.
 */
export type Reliability = "reliable" | "restarts" | "unreliable";

const kinds = [RoomPerson, EventPerson, TickerPerson, RoomPerson, RoomPerson, EventPerson];
const keys = ["k1", "k2", "k3"];

export class SimulatedWorld {
  readonly time = new VirtualClock();
  readonly random: Random;
  readonly reliability: Reliability;
  readonly redis: ModelRedis;
  readonly nodes: SimulatedNode[] = [];
  /** Those that were killed too. */
  readonly everyNode: SimulatedNode[] = [];
  readonly people: Person[] = [];
  readonly ledger: SimulatedLedger;
  readonly publishers: SimulatedPublishers;
  /** Whether it comes back empty, where it comes back once. */
  readonly isEmptied: boolean;
  readonly counts: Record<string, number> = {};
  /** How many of the messages get lost, though the connection stays. */
  lossPercent = 0;
  /** In publications. */
  readonly historySize: number;
  #ids = 0;
  #publications = 0;
  #relays = 0;
  #slowPercent = 2;
  #restarts = 0;
  #snapshots: unknown[] = [];

  constructor(seed: number) {
    const random = new Random(seed);
    this.random = random;
    this.reliability = random.pick(["reliable", "reliable", "reliable", "restarts", "unreliable"] as const);
    this.isEmptied = random.below(3) === 0;
    const isShort = this.reliability === "unreliable" && random.below(2) === 0;
    this.historySize = isShort ? random.between(3, 40) : 100_000;
    const mayLose = this.reliability === "unreliable" || (this.reliability === "restarts" && this.isEmptied);
    this.ledger = new SimulatedLedger(mayLose);
    this.redis = new ModelRedis({
      clock: this.time,
      delayMs: () => (random.below(100) < this.#slowPercent ? random.below(60) : random.below(3)),
      newId: () => `replid-${++this.#ids}`,
      losesMessage: () => random.below(100) < this.lossPercent,
    });
    const count = random.between(2, 3);
    for (let node = 0; node < count; node++) this.#startNode();
    this.publishers = new SimulatedPublishers(this.time, this.ledger, () => this.anyNode());
    for (const Kind of kinds) {
      this.people.push(new Kind(`person-${this.people.length}`, this.ledger, this.anyNode()));
    }
    this.#snapshots.push(this.redis.snapshot());
  }

  anyNode(): SimulatedNode {
    return this.random.pick(this.nodes);
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1;
  }

  /** People who lost their connection come back, and ask again for what they were refused. */
  keepUp(): void {
    for (const person of this.people) {
      if (!person.isConnected) person.moveTo(this.anyNode());
      else person.subscribe();
    }
  }

  publish(count: number, topic = this.random.pick(simulatedTopics.streams), node = this.anyNode()): void {
    const { random } = this;
    for (let index = 0; index < count; index++) {
      const id = `p${++this.#publications}`;
      const idempotencyKey = random.below(4) === 0 ? undefined : id;
      this.publishers.publish(
        { topic, data: `${id} ${"x".repeat(random.below(300))}`, idempotencyKey },
        // Mostly as one connection would.
        random.below(10) === 0 ? this.anyNode() : node,
      );
    }
  }

  publishValue(): void {
    const { random } = this;
    const id = `p${++this.#publications}`;
    const content = random.below(5) === 0 ? { removed: true as const } : {};
    const data = `${id} ${"x".repeat(random.below(300))}`;
    const idempotencyKey = random.below(4) === 0 ? undefined : id;
    const wish = { topic: simulatedTopics.latest, data, idempotencyKey, key: random.pick(keys), ...content };
    this.publishers.publish(wish);
  }

  /** Answers what the publication is called. */
  publishVolatile(node = this.anyNode()): string {
    const data = `v${++this.#relays}`;
    node.process.do(() =>
      node.hub.publishVolatile(simulatedTopics.volatile, { data, timestamp: node.process.clock.now() }),
    );
    return data;
  }

  race(): void {
    const [one, other] = [this.anyNode(), this.anyNode()];
    const id = `p${++this.#publications}`;
    const topic = this.random.pick(simulatedTopics.streams);
    this.publishers.race({ topic, data: `${id} race`, idempotencyKey: id }, one, other);
  }

  // ---- faults

  cut(): void {
    const connection = this.#anyConnection();
    connection?.cut("the connection was cut", this.random.below(connection.underWay + 1));
  }

  overrun(): void {
    this.#anyConnection()?.overrun();
  }

  /** For a while, or for good. */
  stall(): void {
    const connection = this.#anyConnection();
    if (!connection) return;
    connection.stall();
    if (this.random.below(2)) this.#later(() => connection.resume());
  }

  /**
   * What a node publishes stays in connections that it gives up, while it goes on with others, and arrives at last. Mostly nobody
   * has a key for it, or the key would tell that it is late.
   */
  strand(): void {
    const { random } = this;
    const node = this.anyNode();
    const { connections } = node.process;
    for (const connection of connections) connection.stall();
    const topic = random.pick(simulatedTopics.streams);
    for (let count = random.between(1, 3); count > 0; count--) {
      const id = `p${++this.#publications}`;
      const idempotencyKey = random.below(4) === 0 ? id : undefined;
      this.publishers.publish({ topic, data: `${id} stranded`, idempotencyKey }, node);
    }
    const resume = () => {
      for (const connection of connections) connection.resume();
    };
    this.time.after(random.between(4000, 20_000), resume);
  }

  loseMessages(): void {
    this.lossPercent = this.random.pick([10, 50, 100]);
    this.#later(() => {
      this.lossPercent = 0;
    });
  }

  slowDown(): void {
    this.#slowPercent = 60;
    this.#later(() => {
      this.#slowPercent = 2;
    });
  }

  pauseRedis(): void {
    this.redis.pause();
    this.#later(() => this.redis.resume());
  }

  takeSnapshot(): void {
    this.#snapshots.push(this.redis.snapshot());
  }

  restartRedis(): void {
    if (this.reliability === "reliable" || (this.reliability === "restarts" && this.#restarts > 0)) return;
    this.#restarts += 1;
    this.count("restarts");
    const { random, redis } = this;
    const isDemoted = random.below(3) === 0;
    if (isDemoted) redis.demote();
    else redis.stop();
    this.#later(() => redis.restart(this.#kept()));
  }

  pauseNode(): void {
    const { process } = this.anyNode();
    process.pause();
    this.#later(() => process.resume());
  }

  replaceNode(): void {
    const node = this.anyNode();
    node.process.kill(this.random.below(3));
    this.nodes.splice(this.nodes.indexOf(node), 1);
    this.#startNode();
  }

  movePerson(): void {
    this.random.pick(this.people).moveTo(this.anyNode());
  }

  slowPerson(): void {
    const { socket } = this.random.pick(this.people).reader;
    socket.pause();
    if (this.random.below(2)) this.#later(() => socket.resume());
    else this.#later(() => socket.take(this.random.between(1, 20)));
  }

  heal(): void {
    this.lossPercent = 0;
    this.#slowPercent = 2;
    this.redis.resume();
    for (const { process } of this.nodes) process.resume();
    for (const { reader } of this.people) reader.socket.resume();
  }

  #kept(): "data" | "nothing" | { rollBackTo: unknown } {
    if (this.reliability === "restarts") return this.isEmptied ? "nothing" : "data";
    const choice = this.random.below(3);
    if (choice === 0) return "data";
    return choice === 1 ? "nothing" : { rollBackTo: this.random.pick(this.#snapshots) };
  }

  #later(work: () => void): void {
    this.time.after(this.random.pick([50, 500, 2000, 6000, 20_000]), work);
  }

  #anyConnection(): ModelConnection | undefined {
    const { connections } = this.anyNode().process;
    return connections.length > 0 ? this.random.pick(connections) : undefined;
  }

  #startNode(): void {
    const { historySize, random, redis, time } = this;
    const newId = () => `id-${++this.#ids}`;
    const name = `node-${this.everyNode.length + 1}`;
    const node = new SimulatedNode({ name, time, redis, random, historySize, newId });
    this.nodes.push(node);
    this.everyNode.push(node);
  }
}

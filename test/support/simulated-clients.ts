// People of a simulation, who stay with their topics over many connections, and what they may never see. They know nothing of
// Redis: what is true is told to a ledger that all of them share.

import type { Position } from "../../src/bridge/bridge.ts";
import { LatestReader } from "./latest-reader.ts";
import type { ClientHost, ModelClient, ModelOk, ModelPublication } from "./model-client.ts";
import type { SimulatedLedger } from "./simulated-ledger.ts";
import type { SimulatedNode } from "./simulated-node.ts";
import { simulatedTopics } from "./simulated-node.ts";
import { StreamReader } from "./stream-reader.ts";

/** What one person was told of one topic's continuity, over all connections. */
interface Continuity {
  /** The first epoch that this person knew. */
  readonly firstEpoch: string;
  endings: number;
}

/** One connection of a person, of whatever kind. */
export interface PersonReader
  extends Pick<ModelClient, "socket" | "subscriptions" | "behind" | "complaints"> {
  subscribe(topic: string, since: Position | undefined): void;
  look(): void;
  disconnect(): void;
}

class RoomReader extends StreamReader {
  readonly #person: Person;
  readonly #volatileSeen = new Set<string>();

  constructor(person: Person, node: ClientHost) {
    super(node, person.name);
    this.#person = person;
  }

  protected override holds(): boolean {
    return true;
  }

  protected override answered(ok: ModelOk): void {
    if (ok.topic === simulatedTopics.volatile) return;
    this.#person.began(ok);
    super.answered(ok);
  }

  protected override reset(topic: string, position: Position): void {
    this.#person.ended(topic);
    super.reset(topic, position);
  }

  protected override message(topic: string, publication: ModelPublication): void {
    if (topic === simulatedTopics.volatile) {
      this.#volatile(String(publication.data));
      return;
    }
    super.message(topic, publication);
    const { epoch } = this.follows.get(topic)?.position ?? { epoch: "" };
    this.#person.ledger.saw(topic, { epoch, offset: publication.offset }, publication.data);
  }

  /** Who moves may hear the same at two nodes; over one connection nobody may. */
  #volatile(id: string): void {
    if (this.#volatileSeen.has(id)) this.complaints.push(`volatile ${id} came twice`);
    this.#volatileSeen.add(id);
    this.#person.volatileSeen.add(id);
  }
}

class TickerReader extends LatestReader {
  readonly #person: Person;

  constructor(person: Person, node: ClientHost) {
    super(node, person.name);
    this.#person = person;
  }

  protected override answered(ok: ModelOk): void {
    this.#person.began(ok);
    super.answered(ok);
  }

  protected override reset(topic: string, position: Position): void {
    this.#person.ended(topic);
    super.reset(topic, position);
  }

  protected override message(topic: string, publication: ModelPublication): void {
    super.message(topic, publication);
    const { epoch } = this.watches.get(topic)?.position ?? { epoch: "" };
    this.#person.ledger.saw(topic, { epoch, offset: publication.offset }, publication.data);
  }
}

export abstract class Person {
  readonly name: string;
  readonly ledger: SimulatedLedger;
  readonly complaints: string[] = [];
  readonly continuity = new Map<string, Continuity>();
  readonly volatileSeen = new Set<string>();
  abstract readonly topics: readonly string[];
  abstract readonly reader: PersonReader;
  node: SimulatedNode;

  constructor(name: string, ledger: SimulatedLedger, node: SimulatedNode) {
    this.name = name;
    this.ledger = ledger;
    this.node = node;
  }

  /** Where this person stands in a topic. */
  abstract position(topic: string): Position | undefined;
  /** A new connection that knows what the last one has read. */
  protected abstract connect(): void;

  /** By key, what this person would show of the `latest` topic; undefined where that is nothing to this person. */
  get shown(): Readonly<Record<string, unknown>> | undefined {
    return undefined;
  }

  get isConnected(): boolean {
    return this.reader.socket.isOpen && !this.node.process.isDead;
  }

  /** Comes back at a node, with the position of what was read: what was on its way is lost. */
  moveTo(node: SimulatedNode): void {
    this.look();
    const { node: old, reader } = this;
    reader.socket.isOpen = false;
    old.process.do(() => reader.disconnect());
    this.node = node;
    this.connect();
    this.subscribe();
  }

  /** Asks for what this person wants and has not: an answer may have failed. */
  subscribe(): void {
    if (this.node.process.isPaused || !this.isConnected) return;
    this.look();
    for (const topic of this.topics) {
      if (!this.reader.subscriptions.get(topic)) this.reader.subscribe(topic, this.position(topic));
    }
  }

  look(): void {
    this.reader.look();
    this.complaints.push(...this.reader.complaints.splice(0));
  }

  began(ok: Pick<ModelOk, "topic" | "epoch" | "since" | "recovered">): void {
    if (ok.since && !ok.recovered) this.ended(ok.topic);
    if (!this.continuity.has(ok.topic)) this.continuity.set(ok.topic, { firstEpoch: ok.epoch, endings: 0 });
  }

  ended(topic: string): void {
    const continuity = this.continuity.get(topic);
    if (continuity) continuity.endings += 1;
  }
}

export class RoomPerson extends Person {
  readonly topics = [...simulatedTopics.streams, simulatedTopics.volatile];
  reader: RoomReader;

  constructor(name: string, ledger: SimulatedLedger, node: SimulatedNode) {
    super(name, ledger, node);
    this.reader = new RoomReader(this, node);
  }

  override position(topic: string): Position | undefined {
    return this.reader.follows.get(topic)?.position;
  }

  protected override connect(): void {
    const { follows } = this.reader;
    this.reader = new RoomReader(this, this.node);
    for (const [topic, known] of follows) this.reader.follows.set(topic, known);
  }
}

export class TickerPerson extends Person {
  readonly topics = [simulatedTopics.latest];
  reader: TickerReader;

  constructor(name: string, ledger: SimulatedLedger, node: SimulatedNode) {
    super(name, ledger, node);
    this.reader = new TickerReader(this, node);
  }

  override position(topic: string): Position | undefined {
    return this.reader.watches.get(topic)?.position;
  }

  override get shown(): Readonly<Record<string, unknown>> {
    return this.reader.shown(simulatedTopics.latest);
  }

  protected override connect(): void {
    const { watches } = this.reader;
    this.reader = new TickerReader(this, this.node);
    for (const [topic, known] of watches) this.reader.watches.set(topic, known);
  }
}

// A person of a simulation who listens by an event stream, and comes back with the id of the last event that was read. The stream is
// the one of production; only its engine is a model. Knows of ids what a node makes of them.

import type { Position } from "../../src/bridge/bridge.ts";
import { noConnections } from "../../src/connections/connection-counts.ts";
import { EventStream, type EventStreamHost } from "../../src/connections/event-stream.ts";
import { readId, StreamPosition } from "../../src/connections/stream-position.ts";
import type { ResponseStream } from "../../src/engine/engine.ts";
import { FanwireError } from "../../src/errors.ts";
import type { MessageFrame, ResetFrame } from "../../src/wire/frames.ts";
import { ModelSocket } from "./model-engine.ts";
import { modelLimits } from "./model-node.ts";
import { Person, type PersonReader } from "./simulated-clients.ts";
import type { SimulatedLedger } from "./simulated-ledger.ts";
import { type SimulatedNode, simulatedTopics } from "./simulated-node.ts";

const topics = [...simulatedTopics.streams, simulatedTopics.latest, simulatedTopics.volatile];
const everything = { subscribe: ["*"], publish: [] };
const limits = { sseHeartbeatMs: 15_000, slowConsumerTimeoutMs: modelLimits.slowConsumerTimeoutMs! };
let streams = 0;

/** An answer that goes on, as an engine has it. What its client has not read when it ends is lost. */
class ModelStream extends ModelSocket implements ResponseStream {
  onEnd: () => void = () => undefined;

  end(): void {
    this.terminate();
    this.onEnd();
  }
}

class EventReader implements PersonReader {
  readonly socket: ModelStream;
  readonly complaints: string[] = [];
  readonly #person: EventPerson;
  readonly #node: SimulatedNode;
  readonly #stream: EventStream;
  readonly #volatileSeen = new Set<string>();
  #looked = 0;
  #hasClosed = false;

  constructor(person: EventPerson, node: SimulatedNode) {
    this.#person = person;
    this.#node = node;
    this.socket = new ModelStream(node.engine);
    this.#stream = new EventStream(this.#host, `stream-${++streams}`, {
      claims: { userId: person.name, ...everything },
      remoteAddress: this.socket.remoteAddress,
      topics,
      position: new StreamPosition(topics, readId(person.id)),
      maxRateHz: undefined,
    });
    this.socket.onDrain = () => this.#stream.drain();
    this.socket.onEnd = () => node.process.clock.defer(() => this.#closed());
    node.process.do(() => void this.#open());
  }

  get subscriptions(): EventStream["subscriptions"] {
    return this.#stream.subscriptions;
  }

  get behind(): EventStream["behind"] {
    return this.#stream.behind;
  }

  subscribe(): void {
    // What the stream is of stood in its request.
  }

  disconnect(): void {
    this.socket.terminate();
    this.#closed();
  }

  /** Looks at what has arrived since the last look. */
  look(): void {
    const fresh = this.socket.read.slice(this.#looked);
    this.#looked = this.socket.read.length;
    for (const block of fresh.join("").split("\n\n")) this.#block(block);
  }

  get #host(): EventStreamHost {
    const { hub, process } = this.#node;
    return {
      limits,
      now: process.clock.now,
      random: () => 0,
      counts: noConnections(),
      begun: (stream) => this.#join(stream),
      drained: (stream) => hub.feeder.drained(stream),
      ended: (stream) => hub.unsubscribeAll(stream),
    };
  }

  /** As a request is answered: not before its topics are open, and with an end where they cannot be. */
  async #open(): Promise<void> {
    try {
      await Promise.all(topics.map((topic) => this.#node.hub.open(topic)));
    } catch {
      this.socket.terminate();
    }
    this.#node.process.do(() => {
      if (this.socket.isOpen) this.#stream.open(this.socket);
    });
  }

  #join(stream: EventStream): void {
    for (const topic of topics) {
      const since = stream.since(topic);
      this.#node.hub
        .subscribe(stream, topic, since ? { since } : {}, (joined) => stream.joined(topic, joined))
        ?.catch((failure: unknown) => {
          if (!(failure instanceof FanwireError)) throw failure;
          stream.fail(failure);
        });
    }
  }

  #closed(): void {
    if (this.#hasClosed) return;
    this.#hasClosed = true;
    this.#stream.closed();
  }

  #block(block: string): void {
    const lines = block.split("\n");
    const data = lines.find((line) => line.startsWith("data: "));
    const id = lines.find((line) => line.startsWith("id: "));
    const frame = data && (JSON.parse(data.slice(6)) as MessageFrame | ResetFrame);
    const isNews = frame && (frame.type === "message" || frame.type === "reset");
    if (id !== undefined) this.#person.moved(id.slice(4), isNews ? frame : undefined, this.complaints);
    if (isNews && frame.type === "message" && frame.topic === simulatedTopics.volatile) this.#volatile(frame);
  }

  /** Over one connection nobody may hear the same twice. */
  #volatile({ data }: MessageFrame): void {
    const id = String(data);
    if (this.#volatileSeen.has(id)) this.complaints.push(`volatile ${id} came twice`);
    this.#volatileSeen.add(id);
    this.#person.volatileSeen.add(id);
  }
}

export class EventPerson extends Person {
  readonly topics = topics;
  reader: EventReader;
  /** Of the last event that was read. */
  id = "";
  /** What a node takes it for, by topic. */
  #positions: ReadonlyMap<string, Position> = new Map();
  /** By key; a removed key keeps the offset of its removal. */
  readonly #values = new Map<string, { offset: number; data: unknown; removed: boolean }>();

  constructor(name: string, ledger: SimulatedLedger, node: SimulatedNode) {
    super(name, ledger, node);
    this.reader = new EventReader(this, node);
  }

  override position(topic: string): Position | undefined {
    return this.#positions.get(topic);
  }

  override get shown(): Readonly<Record<string, unknown>> {
    const there = [...this.#values].filter(([, { removed }]) => !removed);
    return Object.fromEntries(there.map(([key, { data }]) => [key, data]));
  }

  protected override connect(): void {
    this.reader = new EventReader(this, this.node);
  }

  /** An event was read. Its id says what its frame says, and of other topics what the one before said. */
  moved(id: string, frame: MessageFrame | ResetFrame | undefined, complaints: string[]): void {
    const before = this.#positions;
    const known = new StreamPosition(topics, readId(id));
    const positions = new Map<string, Position>();
    this.id = id;
    this.#positions = positions;
    for (const topic of topics) {
      const is = known.of(topic);
      if (is) positions.set(topic, is);
      const was = before.get(topic);
      const wanted = topic === frame?.topic ? this.#take(frame, was, complaints) : was;
      if (wanted?.epoch === is?.epoch && wanted?.offset === is?.offset) continue;
      if (was || frame) complaints.push(`${topic} went from ${told(was)} to ${told(is)} by ${frame?.type}`);
      else this.began({ topic, epoch: is!.epoch, recovered: false });
    }
  }

  /** Answers where the topic stands after a frame of it. */
  #take(
    frame: MessageFrame | ResetFrame,
    was: Position | undefined,
    complaints: string[],
  ): Position | undefined {
    const { topic } = frame;
    const isLatest = topic === simulatedTopics.latest;
    if (frame.type === "reset") {
      this.ended(topic);
      if (isLatest) this.#values.clear();
      return { epoch: frame.epoch, offset: frame.offset };
    }
    const { offset, data, key = "", removed = false } = frame;
    if (!was || offset === undefined) return was;
    this.ledger.saw(topic, { epoch: was.epoch, offset }, data);
    if (!isLatest) {
      if (offset !== was.offset + 1) complaints.push(`${topic} ${offset} came after ${was.offset}`);
      return { epoch: was.epoch, offset };
    }
    const known = this.#values.get(key);
    if (known && offset < known.offset) complaints.push(`${key} went back to ${offset}`);
    this.#values.set(key, { offset, data, removed });
    return { epoch: was.epoch, offset: Math.max(was.offset, offset) };
  }
}

function told(position: Position | undefined): string {
  return position ? `${position.epoch}:${position.offset}` : "nowhere";
}

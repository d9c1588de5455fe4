// A hub with its feeder over model sockets and a model bridge, and readers that check what they are told as a client would.

import type { Subscriber, Subscription } from "../../src/active-topic.ts";
import type { Position } from "../../src/bridge/bridge.ts";
import { resolveOptions } from "../../src/config.ts";
import type { CloseReason } from "../../src/errors.ts";
import { Hub, type Joined } from "../../src/hub.ts";
import type { Limits } from "../../src/limits.ts";
import type { ServerFrame } from "../../src/wire/frames.ts";
import { json } from "../../src/wire/json.ts";
import { ModelBridge } from "./model-bridge.ts";
import { ModelEngine, ModelSocket } from "./model-engine.ts";

/** Small enough that a few dozen publications of `padding` bytes take a socket through everything that can happen to it. */
export const modelLimits: Partial<Limits> = {
  softBufferedBytes: 2048,
  sweepBytes: 1024,
  ringPublications: 8,
  ringBytes: 2048,
  recoveryChunkBytes: 1024,
  slowConsumerTimeoutMs: 60_000,
  topicLingerMs: 5000,
};

export class ModelNode {
  readonly bridge: ModelBridge;
  readonly hub: Hub;
  readonly engine = new ModelEngine();
  readonly limits: Limits;
  now = 1_000_000;
  #deferred: (() => void)[] = [];

  constructor(historySize: number, limits: Partial<Limits> = {}) {
    const { namespaces, limits: standard } = resolveOptions({});
    this.bridge = new ModelBridge(historySize);
    this.limits = { ...standard, ...modelLimits, ...limits };
    this.hub = new Hub({
      bridge: this.bridge,
      namespaces,
      limits: this.limits,
      now: () => this.now,
      defer: (work) => this.#deferred.push(work),
    });
    this.hub.deliverTo(this.engine);
    void this.bridge.start(this.hub);
  }

  publish(topic: string, data: unknown): void {
    void this.bridge.publish(topic, { data, timestamp: this.now });
  }

  tick(ms = 1000): void {
    this.now += ms;
    this.hub.tick();
  }

  /** Runs what was put off, and what that puts off, and every promise that can settle. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      const work = this.#deferred;
      this.#deferred = [];
      for (const run of work) run();
      await new Promise((resolve) => setImmediate(resolve));
      quiet = work.length === 0 && this.#deferred.length === 0 ? quiet + 1 : 0;
    }
  }
}

/** What a reader knows of a topic it is subscribed to. */
interface Follows {
  position: Position;
  resets: Position[];
  /** Every publication seen, as `epoch:offset`. */
  seen: string[];
}

/**
 * A client that follows topics and complains about the first thing that no client should see: a hole, a double, an older
 * publication, or one whose content is not that of its position.
 */
export class Reader implements Subscriber {
  readonly socket: ModelSocket;
  readonly format = json;
  readonly subscriptions = new Map<string, Subscription>();
  behind: Set<Subscription> | undefined = undefined;
  behindSinceMs = 0;
  closedFor: CloseReason | undefined = undefined;
  readonly follows = new Map<string, Follows>();
  readonly complaints: string[] = [];
  readonly failures: unknown[] = [];
  #looked = 0;
  readonly #node: ModelNode;

  constructor(node: ModelNode) {
    this.#node = node;
    this.socket = new ModelSocket(node.engine);
    this.socket.onDrain = () => node.hub.feeder.drained(this);
  }

  subscribe(topic: string, since?: Position): void {
    const answer = ({ position, recovered, publications }: Joined) => {
      const ok = { type: "ok" as const, id: 1, topic, ...position, recovered, publications, since };
      this.socket.send(json.encode(ok));
    };
    const waiting = this.#node.hub.subscribe(this, topic, since, answer);
    waiting?.catch((failure: unknown) => this.failures.push(failure));
  }

  unsubscribe(topic: string): void {
    this.#node.hub.unsubscribe(this, topic);
  }

  close(reason: CloseReason): void {
    this.closedFor = reason;
    this.disconnect();
  }

  disconnect(): void {
    this.socket.terminate();
    this.#node.hub.unsubscribeAll(this);
  }

  /** Looks at what has arrived since the last look. */
  look(): void {
    const fresh = this.socket.read.slice(this.#looked);
    this.#looked = this.socket.read.length;
    for (const payload of fresh) this.#take(JSON.parse(String(payload)) as ServerFrame);
  }

  #take(frame: ServerFrame): void {
    if (frame.type === "ok") this.#begin(frame as never);
    if (frame.type === "reset") {
      const follows = this.follows.get(frame.topic);
      if (!follows) return void this.complaints.push(`reset of ${frame.topic} before its ok`);
      follows.position = { epoch: frame.epoch, offset: frame.offset };
      follows.resets.push(follows.position);
    }
    if (frame.type === "message") this.#follow(frame.topic, frame.offset!, frame.data);
  }

  #begin(
    ok: Position & {
      topic: string;
      recovered: boolean;
      since?: Position;
      publications: { offset: number; data: unknown }[];
    },
  ): void {
    const before = this.follows.get(ok.topic);
    const position = ok.recovered ? ok.since! : { epoch: ok.epoch, offset: ok.offset };
    this.follows.set(ok.topic, { position, resets: before?.resets ?? [], seen: before?.seen ?? [] });
    for (const { offset, data } of ok.publications) this.#follow(ok.topic, offset, data);
    const reached = this.follows.get(ok.topic)!.position;
    if (reached.epoch !== ok.epoch || reached.offset !== ok.offset) {
      this.complaints.push(
        `the ok says ${ok.epoch}:${ok.offset}, its publications end at ${reached.epoch}:${reached.offset}`,
      );
    }
  }

  #follow(topic: string, offset: number, data: unknown): void {
    const follows = this.follows.get(topic);
    if (!follows) return void this.complaints.push(`a message of ${topic} before its ok`);
    const { epoch } = follows.position;
    if (offset !== follows.position.offset + 1) {
      this.complaints.push(`${topic} ${epoch}:${offset} came after ${follows.position.offset}`);
    }
    const id = `${epoch}:${offset}`;
    if (!String(data).startsWith(`${id} `))
      this.complaints.push(`${topic} ${id} holds ${String(data).trim()}`);
    follows.seen.push(id);
    follows.position = { epoch, offset };
  }
}

// A server of protocol 1 as small as it can be, over fake sockets in virtual time, with every fault a network may have. One user.

import type { FakeSocket } from "./fake-socket.ts";
import type { Random } from "./random.ts";
import type { VirtualClock } from "./virtual-clock.ts";

interface Kept {
  readonly offset: number;
  readonly key?: string;
  readonly removed?: true;
  readonly data: unknown;
  readonly timestamp: number;
}

export class ModelTopic {
  readonly mode: "stream" | "latest";
  epoch = "e1";
  offset = 0;
  log: Kept[] = [];
  /** The greatest offset that is gone. */
  gone = 0;
  readonly keys = new Map<string, number>();
  #epochs = 1;

  constructor(mode: "stream" | "latest") {
    this.mode = mode;
  }

  publish(data: unknown, key?: string, removed?: true, idempotencyKey?: string): number {
    const known = idempotencyKey === undefined ? undefined : this.keys.get(idempotencyKey);
    if (known !== undefined) return known;
    this.offset += 1;
    if (key !== undefined) this.log = this.log.filter((kept) => kept.key !== key);
    const about = { ...(key !== undefined && { key }), ...(removed && { removed }) };
    this.log.push({ offset: this.offset, data, timestamp: 1, ...about });
    if (idempotencyKey !== undefined) this.keys.set(idempotencyKey, this.offset);
    return this.offset;
  }

  trim(): void {
    this.gone = this.offset;
    if (this.mode === "stream") this.log = [];
    else this.log = this.log.filter(({ removed }) => !removed);
  }

  roll(): void {
    this.#epochs += 1;
    this.epoch = `e${this.#epochs}`;
    this.offset = 0;
    this.gone = 0;
    this.log = [];
  }
}

interface Link {
  readonly socket: FakeSocket;
  readonly topics: Set<string>;
  /** When what was sent last arrives: nothing overtakes. */
  lastAtMs: number;
  state: "open" | "silent" | "over";
}

export class ModelServer {
  readonly topics: ReadonlyMap<string, ModelTopic>;
  /** Answers that told a client with a position that its topic begins anew, by topic. */
  readonly resets = new Map<string, number>();
  isAway = false;
  /** From 0 to 1: how many messages are lost, or come twice, on their way. */
  lossRate = 0;
  doubleRate = 0;
  refusalRate = 0;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #links = new Set<Link>();
  #sessions = 0;

  constructor(clock: VirtualClock, random: Random, topics: ReadonlyMap<string, ModelTopic>) {
    this.#clock = clock;
    this.#random = random;
    this.topics = topics;
  }

  dial(socket: FakeSocket): void {
    const link: Link = { socket, topics: new Set(), lastAtMs: 0, state: "open" };
    if (this.isAway) return void this.#clock.after(5, () => socket.end(1006));
    this.#links.add(link);
    socket.served = (frame) => this.#carry(link, () => this.#serve(link, frame));
    this.#tell(link, { type: "connected", ...this.#greeting() });
  }

  /** Ends every connection; what is on its way is lost. */
  cut(code = 1006): void {
    for (const link of this.#links) {
      link.state = "over";
      link.socket.end(code);
    }
    this.#links.clear();
  }

  /** Every connection goes silent, without a word. */
  silence(): void {
    for (const link of this.#links) link.state = "silent";
  }

  publish(topic: string, data: unknown, key?: string, removed?: true, idempotencyKey?: string): number {
    const there = this.topics.get(topic)!;
    const before = there.offset;
    const offset = there.publish(data, key, removed, idempotencyKey);
    if (there.offset === before) return offset;
    const publication = there.log.at(-1)!;
    for (const link of this.#links) {
      if (!link.topics.has(topic)) continue;
      if (this.#happens(this.lossRate)) continue;
      this.#tell(link, { type: "message", topic, ...publication });
      if (this.#happens(this.doubleRate)) this.#tell(link, { type: "message", topic, ...publication });
    }
    return offset;
  }

  roll(topic: string): void {
    const there = this.topics.get(topic)!;
    there.roll();
    for (const link of this.#links) {
      if (link.topics.has(topic)) this.#tell(link, { type: "reset", topic, epoch: there.epoch, offset: 0 });
    }
  }

  #greeting(): object {
    this.#sessions += 1;
    const about = { userId: "ann", nodeId: "n1", heartbeatMs: 25_000, protocol: 1, subscriptions: [] };
    return { sessionId: `s${this.#sessions}`, timestamp: this.#clock.now(), ...about };
  }

  #serve(link: Link, frame: Record<string, unknown>): void {
    const { type, id } = frame;
    if (type === "ping") return void this.#tell(link, { type: "pong", id, timestamp: this.#clock.now() });
    const topic = String(frame.topic);
    if (type !== "unsubscribe" && this.#happens(this.refusalRate)) {
      return void this.#tell(link, { type: "error", id, code: "unavailable", message: "", retryable: true });
    }
    if (type === "subscribe") return void this.#subscribe(link, id, topic, frame.since as never);
    if (type === "unsubscribe") {
      link.topics.delete(topic);
      return void this.#tell(link, { type: "ok", id, topic });
    }
    const { data, key, removed, idempotencyKey } = frame;
    const offset = this.publish(topic, data, key as never, removed as never, idempotencyKey as never);
    this.#tell(link, { type: "ok", id, epoch: this.topics.get(topic)!.epoch, offset });
  }

  #subscribe(link: Link, id: unknown, topic: string, since?: { epoch: string; offset: number }): void {
    const there = this.topics.get(topic)!;
    const { mode, epoch, offset, gone } = there;
    link.topics.add(topic);
    const recovered =
      since !== undefined && since.epoch === epoch && since.offset >= gone && since.offset <= offset;
    const after = recovered ? since.offset : mode === "latest" ? 0 : offset;
    const publications = there.log.filter((kept) => kept.offset > after && (recovered || !kept.removed));
    this.#tell(link, { type: "ok", id, topic, mode, epoch, offset, recovered, publications });
  }

  #tell(link: Link, frame: object): void {
    this.#carry(link, () => link.socket.tell(frame));
  }

  /** Later, in order, unless the connection breaks first. Both directions share a line. */
  #carry(link: Link, work: () => void): void {
    link.lastAtMs = Math.max(link.lastAtMs, this.#clock.now() + this.#random.below(20));
    this.#clock.after(link.lastAtMs - this.#clock.now(), () => {
      if (link.state === "open") work();
    });
  }

  #happens(rate: number): boolean {
    return this.#random.below(1_000) < rate * 1_000;
  }
}

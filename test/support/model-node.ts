// A hub with its feeder over model sockets and a model bridge, in a time of its own.

import type { SnapshotProvider } from "../../src/application.ts";
import { resolveOptions } from "../../src/config/config.ts";
import type { Limits } from "../../src/config/limits.ts";
import { Hub } from "../../src/hub/hub.ts";
import { Snapshots } from "../../src/hub/snapshots.ts";
import { createLog } from "../../src/log.ts";
import { ModelBridge } from "./model-bridge.ts";
import { ModelEngine } from "./model-engine.ts";

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

const silent = createLog("silent", () => undefined);

export class ModelNode {
  readonly bridge: ModelBridge;
  readonly hub: Hub;
  readonly engine = new ModelEngine();
  readonly limits: Limits;
  now = 1_000_000;
  /** What the application answers for topics of the namespace `book`. */
  snapshot: SnapshotProvider = (_, position) => ({
    data: `state at ${position.epoch}:${position.offset}`,
    ...position,
  });
  #deferred: (() => void)[] = [];
  #timers: { dueMs: number; work: () => void }[] = [];

  constructor(historySize: number, limits: Partial<Limits> = {}) {
    const { namespaces, limits: standard } = resolveOptions({
      namespaces: {
        paced: { mode: "stream", flushWindowMs: 20 },
        book: { mode: "stream" },
        lobby: { mode: "stream", presence: true, joinLeave: { maxMembers: 3 } },
        arena: { mode: "volatile", presence: true, joinLeave: {}, flushWindowMs: 20 },
        prices: { mode: "latest", presence: true, joinLeave: {} },
      },
    });
    this.limits = { ...standard, ...modelLimits, ...limits };
    const { presenceGraceMs, removalTtlMs } = this.limits;
    this.bridge = new ModelBridge({ historySize, removalTtlMs, presenceGraceMs, now: () => this.now });
    this.hub = new Hub({
      bridge: this.bridge,
      namespaces,
      limits: this.limits,
      snapshots: new Snapshots({
        providers: { book: (topic, position) => this.snapshot(topic, position) },
        namespaces,
        limits: this.limits,
        log: silent,
      }),
      disconnect: () => undefined,
      now: () => this.now,
      defer: (work) => this.#deferred.push(work),
      after: (delayMs, work) => this.#timers.push({ dueMs: this.now + delayMs, work }),
    });
    this.hub.deliverTo(this.engine);
    void this.bridge.start(this.hub);
  }

  publish(topic: string, data: unknown, keyed: { key?: string; removed?: true } = {}): void {
    void this.bridge.publish(topic, { data, timestamp: this.now, ...keyed });
  }

  /** Publishes to a stream what a reader can check: its own position. */
  publishNext(topic: string, size = 100): void {
    const { epoch, offset } = this.bridge.position(topic);
    this.publish(topic, `${epoch}:${offset + 1} ${"x".repeat(size)}`);
  }

  tick(ms = 1000): void {
    this.wait(ms);
    this.hub.tick();
  }

  /** Lets time pass, and the timers that come due. */
  wait(ms: number): void {
    this.now += ms;
    this.bridge.presence.expire();
    const due = this.#timers.filter(({ dueMs }) => dueMs <= this.now);
    this.#timers = this.#timers.filter(({ dueMs }) => dueMs > this.now);
    for (const { work } of due.sort((a, b) => a.dueMs - b.dueMs)) work();
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  /** Runs what was put off, and what that puts off, and every promise that can settle. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 3; ) {
      const wasIdle = await this.turn();
      quiet = wasIdle && this.#deferred.length === 0 ? quiet + 1 : 0;
    }
  }

  /** Runs what has been put off so far, and every promise that can settle. Answers whether there was nothing. */
  async turn(): Promise<boolean> {
    const work = this.#deferred;
    this.#deferred = [];
    for (const run of work) run();
    await new Promise((resolve) => setImmediate(resolve));
    return work.length === 0;
  }
}

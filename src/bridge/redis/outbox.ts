// Publications on their way to one Redis: those of one turn go out together, topics share a write, and each topic has one batch
// under way. A batch whose connection ends is sent again as it is, and happens once (scripts-topics.ts). Knows no connection.

import { FanwireError } from "../../errors.ts";
import { placeAt } from "../../wire/message.ts";
import type { Position, PositionedPublication, Publication } from "../bridge.ts";
import { RedisError, type Reply } from "../connection.ts";
import type { Appended } from "../store.ts";
import { type Operation, readReply } from "../store-reply.ts";
import type { Budget } from "./budget.ts";
import { type Clock, onceATurn } from "./clock.ts";
import type { FencedLink } from "./link.ts";
import { type Batch, fail, PublishQueue, succeed } from "./publish-queue.ts";

export interface OutboxOptions {
  readonly clock: Clock;
  /** Once its fence holds again, `resume` is called. */
  readonly link: FencedLink;
  readonly budget: Budget;
  readonly publishTimeoutMs: number;
  /** Whether publications wait for a Redis that is away, or are refused at once. */
  readonly queueWhileAway: boolean;
  readonly append: (topic: string, batch: Batch, fence: number) => Operation<Appended | "fenced">;
  /**
   * Has the node see what was accepted, and calls `done` once it has. `positioned` makes the publications, which may have come
   * by the subscription already.
   */
  readonly accepted: (
    topic: string,
    epoch: string,
    first: number,
    count: number,
    positioned: () => readonly PositionedPublication[],
    done: () => void,
  ) => void;
}

export interface OutboxCounts {
  batches: number;
  publications: number;
  bytes: number;
  /** Batches that were sent again. */
  repeated: number;
}

interface Append {
  readonly batch: Batch;
  readonly operation: Operation<Appended | "fenced">;
}

/** Redis serves nobody else between the calls of a run that arrives in one piece. */
const callsPerRun = 256;
const bytesPerRun = 1_048_576;
const tickMs = 100;

export class Outbox {
  readonly counts: OutboxCounts = { batches: 0, publications: 0, bytes: 0, repeated: 0 };
  readonly #options: OutboxOptions;
  readonly #queues = new Map<string, PublishQueue>();
  /** Queues with something to send. */
  #ready: PublishQueue[] = [];
  #isTicking = false;
  #isClosed = false;
  /** Of all topics together: a queue that was forgotten must not begin again with old numbers. */
  #lastBatch = 0;
  readonly #flushLater: () => void;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#flushLater = onceATurn(options.clock, () => this.#flush());
  }

  /** As `Bridge.publish`. `packed`: the publication, encoded. */
  publish(
    topic: string,
    publication: Publication,
    packed: Uint8Array,
    idempotencyKey: string | undefined,
  ): Promise<Position> {
    return new Promise((resolve, reject) => {
      const { budget, clock, link, publishTimeoutMs, queueWhileAway } = this.#options;
      if (this.#isClosed) return reject(away());
      if (!queueWhileAway && !link.isConnected) return reject(away());
      if (!budget.take(packed.length)) return reject(full());
      const queue = this.#queue(topic);
      const deadlineMs = clock.now() + publishTimeoutMs;
      queue.add({ publication, packed, idempotencyKey, deadlineMs, resolve, reject, isSettled: false });
      this.#list(queue);
    });
  }

  /** A fence holds that did not before: whatever has no reply under way is sent, and sent again. */
  resume(): void {
    for (const queue of this.#queues.values()) if (!queue.batch?.isUnderway) this.#list(queue);
  }

  /** Fails what is left. */
  close(): void {
    this.#isClosed = true;
    for (const queue of this.#queues.values()) {
      if (queue.batch) queue.batch.isUnderway = false;
      this.#giveBack(queue.abandon());
    }
    this.#queues.clear();
    this.#ready = [];
  }

  #queue(topic: string): PublishQueue {
    let queue = this.#queues.get(topic);
    if (!queue) {
      queue = new PublishQueue(topic);
      this.#queues.set(topic, queue);
      this.#tickLater();
    }
    return queue;
  }

  #list(queue: PublishQueue): void {
    if (queue.isListed || queue.batch?.isUnderway) return;
    queue.isListed = true;
    this.#ready.push(queue);
    this.#flushLater();
  }

  #flush(): void {
    const { isConnected } = this.#options.link;
    const ready = this.#ready;
    this.#ready = [];
    let run: PublishQueue[] = [];
    let bytes = 0;
    for (const queue of ready) {
      queue.isListed = false;
      // What cannot be sent now is found by `resume`.
      if (!isConnected || queue.batch?.isUnderway) continue;
      // Whoever was told that the outcome is unknown may have looked meanwhile, and found that it was not made.
      if (queue.batch) this.#giveBack(queue.expire(this.#options.clock.now()));
      if (queue.isEmpty) continue;
      if (!queue.batch) queue.nextBatch(++this.#lastBatch);
      run.push(queue);
      bytes += queue.batch!.bytes;
      if (run.length < callsPerRun && bytes < bytesPerRun) continue;
      this.#send(run);
      run = [];
      bytes = 0;
    }
    if (run.length > 0) this.#send(run);
  }

  #send(queues: readonly PublishQueue[]): void {
    const { append, link } = this.#options;
    const { fence } = link;
    const appends: Append[] = [];
    for (const { batch, topic } of queues) {
      if (batch!.wasSent) this.counts.repeated += 1;
      batch!.isUnderway = true;
      batch!.wasSent = true;
      appends.push({ batch: batch!, operation: append(topic, batch!, fence) });
    }
    link.run(appends.map(({ operation }) => operation.call)).then(
      (replies) => this.#replied(queues, appends, fence, replies),
      // The next connection's `resume` finds them.
      () => this.#ended(queues, appends),
    );
  }

  #ended(queues: readonly PublishQueue[], appends: readonly Append[]): void {
    for (const { batch } of appends) batch.isUnderway = false;
    // Where another connection is there already, nobody else will.
    if (this.#options.link.isConnected) for (const queue of queues) this.#list(queue);
  }

  #replied(
    queues: readonly PublishQueue[],
    appends: readonly Append[],
    fence: number,
    replies: readonly (Reply | RedisError)[],
  ): void {
    const { link } = this.#options;
    let isFenced = false;
    for (const [index, queue] of queues.entries()) {
      const { batch, operation } = appends[index]!;
      batch.isUnderway = false;
      if (queue.batch !== batch) continue;
      const outcome = readReply(operation, replies[index]);
      if (outcome === "fenced") isFenced = true;
      else if (outcome instanceof RedisError) this.#refused(queue, batch, outcome);
      else this.#settle(queue, batch, outcome);
      if (queue.hasWaiting && !queue.batch) this.#list(queue);
    }
    if (!isFenced) return;
    if (link.fence === fence) link.refence();
    else this.resume();
  }

  #settle(queue: PublishQueue, batch: Batch, outcome: Appended): void {
    this.#giveBack(queue.dropBatch());
    this.counts.batches += 1;
    this.counts.publications += outcome.count;
    this.counts.bytes += batch.bytes;
    const { epoch, first, count, outcomes } = outcome;
    const isAccepted = (index: number) => outcomes === undefined || outcomes[index] === "accepted";
    const positioned = () => {
      const publications: PositionedPublication[] = [];
      for (const [index, { publication }] of batch.items.entries()) {
        if (isAccepted(index)) publications.push(placeAt(publication, first + publications.length));
      }
      return publications;
    };
    const done = () => {
      let offset = first;
      for (const [index, item] of batch.items.entries()) {
        const said = outcomes?.[index] ?? "accepted";
        if (said === "too-many") fail(item, tooMany());
        else if (said === "accepted") succeed(item, { epoch, offset: offset++ });
        else succeed(item, said);
      }
    };
    this.#options.accepted(queue.topic, epoch, first, count, positioned, done);
  }

  /** Redis took none of it. Where the connection is of no use any more the batch stays, for the next one. */
  #refused(queue: PublishQueue, batch: Batch, refusal: RedisError): void {
    if (!this.#options.link.isConnected) return;
    this.#giveBack(queue.dropBatch());
    const failure = refusal.code === "OOM" ? refused(refusal) : unconfirmed(refusal);
    for (const item of batch.items) fail(item, failure);
  }

  #giveBack({ publications, bytes }: { readonly publications: number; readonly bytes: number }): void {
    if (publications > 0) this.#options.budget.giveBack(publications, bytes);
  }

  #tickLater(): void {
    if (this.#isTicking) return;
    this.#isTicking = true;
    this.#options.clock.after(tickMs, () => {
      this.#isTicking = false;
      this.#tick();
    });
  }

  /** While there are queues: tells whose deadline has passed, and forgets queues that are not used any more. */
  #tick(): void {
    const now = this.#options.clock.now();
    for (const [topic, queue] of this.#queues) {
      this.#giveBack(queue.expire(now));
      if (queue.isEmpty && !queue.isListed) this.#queues.delete(topic);
      else if (queue.hasWaiting && !queue.batch && this.#options.link.isConnected) this.#list(queue);
    }
    if (this.#queues.size > 0) this.#tickLater();
  }
}

function away(): FanwireError {
  return new FanwireError("unavailable", "Redis is away.");
}

function full(): FanwireError {
  return new FanwireError("unavailable", "This node has as many publications waiting for Redis as it may.");
}

function tooMany(): FanwireError {
  return new FanwireError("too-many", "The topic has as many keys as it may have.");
}

function refused(error: RedisError): FanwireError {
  return new FanwireError("unavailable", `Redis refused the publication (${error.code}).`);
}

function unconfirmed(error: RedisError): FanwireError {
  return new FanwireError("outcome-unknown", `Redis did not confirm the publication (${error.code}).`);
}

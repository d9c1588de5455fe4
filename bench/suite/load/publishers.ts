// The process of publishers: sends a schedule at its times, whatever becomes of it, and says how late it was.

import { blockingSleep, sharedClock } from "../../measure/clock.ts";
import { createHistogram, encode } from "../../measure/histogram.ts";
import { type Protocol, payloadMark, payloadOf, stampPayload } from "../protocol.ts";
import { createProtocol } from "../protocols/all.ts";
import type { Schedule, Workload } from "../workload.ts";
import { createWorkload } from "../workloads/all.ts";
import { windowSize } from "./account.ts";
import { Link, type LinkListener } from "./link.ts";
import type { OpenAnswer, OpenOrder, PrepareOrder, PublisherRecord, StartOrder } from "./messages.ts";
import { serveOrders } from "./serve.ts";

interface Template {
  readonly frame: Buffer;
  /** Where its payload's mark is. */
  readonly mark: number;
}

/** Answers to publications are nobody's business here. */
const deaf: LinkListener = {
  arriving: () => undefined,
  delivery: () => undefined,
  lost: () => undefined,
};

/** However far away the next publication is: so often the event loop gets its turn, for pings and what could not be written. */
const longestSleepNs = 5e6;

/** More is due at once only after a stall; it leaves in several writes. */
const batchBytes = 256 * 1024;

class Publishers {
  readonly #clock = sharedClock();
  readonly #sleepUntil = blockingSleep();
  readonly #links: Link[] = [];
  readonly #templates = new Map<number, Template>();
  readonly #batch = Buffer.alloc(batchBytes);
  #protocol: Protocol | undefined;
  #workload: Workload | undefined;
  #prepared: { order: PrepareOrder; schedule: Schedule } | undefined;
  #batched = 0;

  async open(order: OpenOrder): Promise<OpenAnswer> {
    const workload = createWorkload(order.workload);
    const protocol = createProtocol(order.protocol, order.mode);
    this.#workload = workload;
    this.#protocol = protocol;
    this.#templates.clear();
    const startedAt = Bun.nanoseconds();
    for (let number = this.#links.length; number < workload.publishers; number++) {
      const port = order.ports[number % order.ports.length] as number;
      // Nothing joined: whoever only publishes needs no subscription in any of these protocols.
      const member = { role: "publisher", number, topics: [] } as const;
      this.#links.push(await Link.open({ port, source: order.source, protocol, member, listener: deaf }));
    }
    const elapsedMs = (Bun.nanoseconds() - startedAt) / 1e6;
    return { ready: this.#links.length, failed: 0, elapsedMs, opening: encode(createHistogram()) };
  }

  prepare(order: PrepareOrder): object {
    const schedule = (this.#workload as Workload).schedule(order.seed, order.rate, order.durationMs);
    this.#prepared = { order, schedule };
    for (let i = 0; i < schedule.topic.length; i++) {
      this.#template(schedule.topic[i] as number, schedule.bytes[i] as number);
    }
    return {};
  }

  #template(topic: number, bytes: number): Template {
    const key = topic * 65_536 + bytes;
    const known = this.#templates.get(key);
    if (known !== undefined) return known;
    const frame = (this.#protocol as Protocol).publication(topic, payloadOf(bytes));
    const made = { frame, mark: frame.indexOf(payloadMark) };
    this.#templates.set(key, made);
    return made;
  }

  async start({ startNs }: StartOrder): Promise<PublisherRecord> {
    const { order, schedule } = this.#prepared as { order: PrepareOrder; schedule: Schedule };
    const lateness = createHistogram();
    const total = schedule.topic.length;
    let next = 0;
    let lastTurnAt = this.#clock();
    while (next < total) {
      const dueAt = startNs + (schedule.atMs[next] as number) * 1e6;
      const now = this.#clock();
      if (dueAt > now) {
        this.#sleepUntil(Math.min(dueAt, now + longestSleepNs));
      } else {
        next = this.#sendDue(order.window, schedule, next, startNs, lateness);
      }
      if (this.#clock() - lastTurnAt < longestSleepNs) continue;
      await new Promise((resolve) => setImmediate(resolve));
      lastTurnAt = this.#clock();
    }
    const endedAfterNs = this.#clock() - startNs;
    return { planned: total, sent: next, lateness: encode(lateness), endedAfterNs };
  }

  /** Everything that is due now; neighbours of one publisher leave in one write. Answers what comes next. */
  #sendDue(
    window: number,
    schedule: Schedule,
    from: number,
    startNs: number,
    lateness: ReturnType<typeof createHistogram>,
  ): number {
    const { atMs, topic, publisher, bytes } = schedule;
    const now = this.#clock();
    const isDue = (index: number) => index < atMs.length && startNs + (atMs[index] as number) * 1e6 <= now;
    let index = from;
    for (; isDue(index); index++) {
      const sender = publisher[index] as number;
      const { frame, mark } = this.#template(topic[index] as number, bytes[index] as number);
      // Read per publication: what a batch waits for its write is part of the latency from the sending.
      const sentAt = this.#clock();
      lateness.recordValue(Math.max(0, sentAt - startNs - (atMs[index] as number) * 1e6));
      stampPayload(frame, mark, window * windowSize + index, sentAt - startNs);
      if (this.#batched + frame.length > batchBytes) this.#write(sender);
      frame.copy(this.#batch, this.#batched);
      this.#batched += frame.length;
      if (!isDue(index + 1) || publisher[index + 1] !== sender) this.#write(sender);
    }
    return index;
  }

  #write(sender: number): void {
    this.#links[sender]?.write(this.#batch.subarray(0, this.#batched));
    this.#batched = 0;
  }

  close(): object {
    for (const link of this.#links) link.cut();
    this.#links.length = 0;
    return {};
  }
}

const publishers = new Publishers();
serveOrders({
  open: (order) => publishers.open(order),
  prepare: (order) => publishers.prepare(order),
  start: (order) => publishers.start(order),
  close: () => publishers.close(),
});

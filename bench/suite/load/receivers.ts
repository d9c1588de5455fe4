// A process of subscribers: opens its share of a workload's connections and keeps the account of each window.

import { type Clock, sharedClock } from "../../measure/clock.ts";
import { createHistogram, encode } from "../../measure/histogram.ts";
import { indexAt, type Protocol, type Recovery, sentAfterAt } from "../protocol.ts";
import { createProtocol } from "../protocols/all.ts";
import type { Schedule, Workload } from "../workload.ts";
import { createWorkload } from "../workloads/all.ts";
import { Account } from "./account.ts";
import { Link, type LinkListener } from "./link.ts";
import type { OpenAnswer, OpenOrder, PrepareOrder, ReceiverRecord, UnrestOrder } from "./messages.ts";
import { serveOrders } from "./serve.ts";
import { Unrest } from "./unrest.ts";

interface Opened {
  readonly order: OpenOrder;
  readonly workload: Workload;
  readonly protocol: Protocol;
}

interface Prepared {
  readonly order: PrepareOrder;
  readonly schedule: Schedule;
}

/** One member's place in this process: gives each of its deliveries the time at which their chunk was read. */
class Seat implements LinkListener {
  readonly #process: Receivers;
  readonly #place: number;
  #at = 0;

  constructor(process: Receivers, place: number) {
    this.#process = process;
    this.#place = place;
  }

  arriving(): void {
    this.#at = this.#process.clock();
  }

  delivery(buffer: Buffer, at: number): void {
    const account = this.#process.account;
    account?.delivery(this.#place, indexAt(buffer, at), sentAfterAt(buffer, at), this.#at);
  }

  lost(): void {
    this.#process.lost(this.#place);
  }
}

class Receivers {
  readonly clock: Clock = sharedClock();
  account: Account | undefined;
  /** By place in this process, as are the numbers; undefined: it failed or is away. */
  readonly #links: (Link | undefined)[] = [];
  readonly #numbers: number[] = [];
  readonly #seats: Seat[] = [];
  readonly #recoveries: (Recovery | undefined)[] = [];
  #opened: Opened | undefined;
  #prepared: Prepared | undefined;
  #unrest: Unrest | undefined;
  #cut = 0;
  #before = { ...Link.totals };

  lost(place: number): void {
    this.#cut++;
    this.#unrest?.lost(place);
  }

  async open(order: OpenOrder): Promise<OpenAnswer> {
    const workload = createWorkload(order.workload);
    const protocol = createProtocol(order.protocol, order.mode);
    this.#opened = { order, workload, protocol };
    const already = this.#numbers.length;
    for (let number = order.first + already * order.step; number < order.upTo; number += order.step) {
      this.#seats.push(new Seat(this, this.#numbers.length));
      this.#numbers.push(number);
      this.#recoveries.push(order.isRestless ? protocol.recovery?.() : undefined);
    }
    const opening = createHistogram();
    const startedAt = Bun.nanoseconds();
    let firstError: string | undefined;
    const openOne = async (number: number, place: number) => {
      const calledAt = Bun.nanoseconds();
      try {
        this.#links[place] = await this.#open(place, order.ports[number % order.ports.length] as number);
        opening.recordValue(Bun.nanoseconds() - calledAt);
      } catch (error) {
        this.#links[place] = undefined;
        firstError ??= String(error);
      }
    };
    for (let from = already; from < this.#numbers.length; from += order.together) {
      const batch = this.#numbers.slice(from, from + order.together);
      await Promise.all(batch.map((number, i) => openOne(number, from + i)));
    }
    const ready = this.#links.filter((link) => link !== undefined).length;
    const elapsedMs = (Bun.nanoseconds() - startedAt) / 1e6;
    const failed = this.#numbers.length - ready;
    return { ready, failed, firstError, elapsedMs, opening: encode(opening) };
  }

  #open(place: number, port: number): Promise<Link> {
    const { order, workload, protocol } = this.#opened as Opened;
    const number = this.#numbers[place] as number;
    return Link.open({
      ...{ port, source: order.source, protocol, listener: this.#seats[place] as Seat },
      member: { role: "subscriber", number, topics: workload.members(number) },
      recovery: this.#recoveries[place],
    });
  }

  prepare(order: PrepareOrder): object {
    const { workload } = this.#opened as Opened;
    this.#prepared = { order, schedule: workload.schedule(order.seed, order.rate, order.durationMs) };
    return {};
  }

  unrest(order: UnrestOrder): object {
    this.#unrest = new Unrest({
      ...{ order, links: this.#links, reopen: (place, port) => this.#open(place, port) },
      recovers: this.#recoveries[0] !== undefined,
    });
    return {};
  }

  start(startNs: number): object {
    const { order, schedule } = this.#prepared as Prepared;
    const { workload } = this.#opened as Opened;
    this.account = new Account(workload, schedule, this.#numbers, order.window, startNs);
    this.#unrest?.start(this.account, (startNs - this.clock()) / 1e6);
    this.#cut = 0;
    this.#before = { ...Link.totals };
    return {};
  }

  async finish(graceMs: number): Promise<ReceiverRecord> {
    const account = this.account as Account;
    await account.complete(graceMs);
    account.close();
    const unrest = this.#unrest?.finish();
    this.#unrest = undefined;
    const { expected, received, lost, doubled, disordered, skipped, strange } = account;
    const totals = Link.totals;
    return {
      ...{ expected, received, lost, doubled, disordered, skipped, strange, unrest },
      strangers: totals.strangers - this.#before.strangers,
      cut: this.#cut,
      connections: this.#links.filter((link) => link !== undefined).length,
      chunks: totals.chunks - this.#before.chunks,
      frames: totals.frames - this.#before.frames,
      bytes: totals.bytes - this.#before.bytes,
      lowestLatencyNs: account.lowestLatencyNs,
      lastArrivalAfterNs: account.lastArrivalAt,
      fromIntended: encode(account.fromIntended),
      fromSent: encode(account.fromSent),
      receivers: account.receivers,
      lastAfterNs: account.lastAt,
      // A second in which nothing came is a hole in the array.
      perSecond: Array.from(account.perSecond, (one) => one ?? { deliveries: 0, worstNs: 0 }),
    };
  }

  close(): object {
    for (const link of this.#links) link?.cut();
    for (const list of [this.#links, this.#numbers, this.#seats, this.#recoveries]) list.length = 0;
    this.account = undefined;
    return {};
  }
}

const receivers = new Receivers();
serveOrders({
  open: (order) => receivers.open(order),
  prepare: (order) => receivers.prepare(order),
  unrest: (order) => receivers.unrest(order),
  start: (order) => receivers.start(order.startNs),
  finish: (order) => receivers.finish(order.graceMs),
  close: () => receivers.close(),
});

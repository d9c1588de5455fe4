// The load generator: several processes of receivers and one of publishers, led through windows by this one. Knows no target.

import { spawnSync } from "node:child_process";
import { sharedClock } from "../../measure/clock.ts";
import { createHistogram, decode, type Histogram, merge } from "../../measure/histogram.ts";
import { audienceOf, type Workload } from "../workload.ts";
import type { OpenAnswer, PublisherRecord, ReceiverRecord, UnrestOrder } from "./messages.ts";
import { startWorker, type Worker } from "./worker.ts";

export interface GeneratorSettings {
  readonly receivers: number;
}

export interface Opening {
  readonly protocol: string;
  readonly workload: Workload;
  /** Where subscribers and publishers connect: each takes the next port in turn. */
  readonly subscriberPorts: readonly number[];
  readonly publisherPorts: readonly number[];
  /** Handshakes at a time and process. Default 32: no listen queue overflows. */
  readonly together?: number;
  /** Only connections below this number; those that are open already stay. Default: all of the workload. */
  readonly upTo?: number;
  /** Whether members must remember where they are. Default false: it costs the generator a parse per frame. */
  readonly isRestless?: boolean;
}

export interface Opened {
  readonly ready: number;
  readonly failed: number;
  readonly firstError: string | undefined;
  readonly elapsedMs: number;
  readonly opening: Histogram;
}

export interface WindowOrder {
  readonly seed: number;
  readonly rate: number;
  readonly durationMs: number;
  /** How long after the last publication deliveries may take. */
  readonly graceMs: number;
  /** Connections that end and come back. */
  readonly unrest?: Omit<UnrestOrder, "do" | "seed">;
}

/** What all processes together saw of a window. */
export interface WindowRecord {
  readonly publisher: PublisherRecord;
  readonly receivers: readonly ReceiverRecord[];
  readonly fromIntended: Histogram;
  readonly fromSent: Histogram;
  readonly lastReceiver: Histogram;
  readonly lateness: Histogram;
}

/**
 * How long the generator's processes may take for what they do at once; where an order lasts by its nature, that is added. A
 * process that stands still longer than this ends the step, and not the run.
 */
const answerWithinMs = 30_000;
/** A thousand handshakes take a slow target some seconds. */
const openWithinMs = 90_000;

/** From now to the start of a window: the order has to be everywhere by then. */
const leadNs = 20e6;

/** A publisher that is due must not wait for receivers: it needs little, and its lateness would be counted as the target's. */
function ahead(): readonly string[] {
  const prefix = ["chrt", "-f", "1"];
  return spawnSync(prefix[0] as string, [...prefix.slice(1), "true"]).status === 0 ? prefix : [];
}

export class Generator {
  readonly #receivers: readonly Worker[];
  readonly #publisher: Worker;
  readonly #clock = sharedClock();
  #window = 0;
  #workload: Workload | undefined;

  constructor({ receivers }: GeneratorSettings) {
    this.#receivers = Array.from({ length: receivers }, () => startWorker("receivers.ts"));
    this.#publisher = startWorker("publishers.ts", ahead());
  }

  get pids(): readonly number[] {
    return [...this.#receivers, this.#publisher].map(({ pid }) => pid);
  }

  /** Subscribers first: once this resolves, a publication reaches all of them. */
  async open(opening: Opening): Promise<Opened> {
    const { protocol, workload, subscriberPorts, publisherPorts, together = 32 } = opening;
    const upTo = opening.upTo ?? workload.connections;
    this.#workload = workload;
    const order = {
      ...({ do: "open", protocol, mode: workload.mode, workload: workload.spec, together } as const),
      ...{ step: this.#receivers.length, upTo, isRestless: opening.isRestless ?? false },
    };
    const answers = await Promise.all(
      this.#receivers.map((worker, first) =>
        worker.ask(
          { ...order, ports: subscriberPorts, source: `127.0.0.${10 + first}`, first },
          openWithinMs,
        ),
      ),
    );
    const publishing = { ...order, ports: publisherPorts, source: "127.0.0.9", first: 0 };
    await this.#publisher.ask(publishing, openWithinMs);
    const sum = (of: (answer: OpenAnswer) => number) => answers.reduce((total, one) => total + of(one), 0);
    return {
      ready: sum(({ ready }) => ready),
      failed: sum(({ failed }) => failed),
      firstError: answers.find(({ firstError }) => firstError !== undefined)?.firstError,
      elapsedMs: Math.max(...answers.map(({ elapsedMs }) => elapsedMs)),
      opening: merge(answers.map(({ opening }) => decode(opening))),
    };
  }

  /** `prepared` is called when everybody is: what it reads is from before the load. */
  async window(order: WindowOrder, prepared: () => void = () => undefined): Promise<WindowRecord> {
    const window = ++this.#window % 100;
    const { seed, rate, durationMs, graceMs, unrest } = order;
    const all = [...this.#receivers, this.#publisher];
    const prepare = { do: "prepare", window, seed, rate, durationMs } as const;
    await Promise.all(all.map((worker) => worker.ask(prepare, answerWithinMs)));
    if (unrest !== undefined) {
      const orders = this.#receivers.map((worker, i) =>
        worker.ask({ ...unrest, do: "unrest", seed: seed * 31 + i }, answerWithinMs),
      );
      await Promise.all(orders);
    }
    prepared();
    const start = { do: "start", startNs: this.#clock() + leadNs } as const;
    await Promise.all(this.#receivers.map((worker) => worker.ask(start, answerWithinMs)));
    const publisher = (await this.#publisher.ask(start, durationMs + answerWithinMs)) as PublisherRecord;
    const receivers = await Promise.all(
      this.#receivers.map((worker) => worker.ask({ do: "finish", graceMs }, graceMs + answerWithinMs)),
    );
    const added = (of: (record: ReceiverRecord) => string) => merge(receivers.map((one) => decode(of(one))));
    return {
      publisher,
      receivers,
      fromIntended: added(({ fromIntended }) => fromIntended),
      fromSent: added(({ fromSent }) => fromSent),
      lastReceiver: lastReceiver(this.#workload as Workload, order, receivers),
      lateness: decode(publisher.lateness),
    };
  }

  async close(): Promise<void> {
    for (const worker of [...this.#receivers, this.#publisher]) {
      await worker.ask({ do: "close" }, answerWithinMs);
    }
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#receivers, this.#publisher].map((worker) => worker.stop()));
  }
}

/**
 * Per publication that reached everybody: the latest of all processes' last receivers, from its intended time. Counts are added
 * and times compared publication by publication; histograms of single processes could not say this.
 */
function lastReceiver(
  workload: Workload,
  { seed, rate, durationMs }: WindowOrder,
  records: readonly ReceiverRecord[],
): Histogram {
  const schedule = workload.schedule(seed, rate, durationMs);
  const audience = audienceOf(workload);
  const histogram = createHistogram();
  schedule.atMs.forEach((atMs, index) => {
    const wanted = audience[schedule.topic[index] as number] as number;
    let count = 0;
    let last = 0;
    for (const { receivers, lastAfterNs } of records) {
      count += receivers[index] as number;
      last = Math.max(last, lastAfterNs[index] as number);
    }
    if (count === wanted && wanted > 0) histogram.recordValue(Math.max(0, last - atMs * 1e6));
  });
  return histogram;
}

// How busy a node was in each second of the last minutes, in plain numbers. Knows no room: it is given one that reads them all.

/** Counters and levels of one moment. */
export interface LoadReading {
  /** On a clock that never steps, in milliseconds. */
  readonly atMs: number;
  readonly connections: number;
  /** Since the start. */
  readonly publications: number;
  readonly deliveries: number;
  readonly cpuMs: number;
  /** The longest delay of the event loop in the last second. */
  readonly delayMs: number;
  readonly memoryBytes: number;
  /** In all sockets. */
  readonly bufferedBytes: number;
}

/** One second. `timestamp`: its end, Unix milliseconds. `cpuShare`: 1 is one core. */
export interface LoadSample {
  readonly timestamp: number;
  readonly connections: number;
  readonly publicationsPerSecond: number;
  readonly deliveriesPerSecond: number;
  readonly delayMs: number;
  readonly cpuShare: number;
  readonly memoryBytes: number;
  readonly bufferedBytes: number;
}

/** Five minutes of seconds. */
export const keptSamples = 300;

export class LoadHistory {
  readonly #read: () => LoadReading;
  readonly #now: () => number;
  readonly #samples: LoadSample[] = [];
  #last: LoadReading;

  constructor(read: () => LoadReading, now: () => number) {
    this.#read = read;
    this.#now = now;
    this.#last = read();
  }

  /** Once a second. */
  tick(): void {
    const before = this.#last;
    const reading = this.#read();
    const elapsedMs = reading.atMs - before.atMs;
    if (elapsedMs <= 0) return;
    this.#last = reading;
    const perSecond = (count: number) => rounded((count * 1000) / elapsedMs, 1);
    this.#samples.push({
      timestamp: this.#now(),
      connections: reading.connections,
      publicationsPerSecond: perSecond(reading.publications - before.publications),
      deliveriesPerSecond: perSecond(reading.deliveries - before.deliveries),
      delayMs: rounded(reading.delayMs, 2),
      cpuShare: rounded((reading.cpuMs - before.cpuMs) / elapsedMs, 3),
      memoryBytes: reading.memoryBytes,
      bufferedBytes: reading.bufferedBytes,
    });
    if (this.#samples.length > keptSamples) this.#samples.shift();
  }

  /** The samples after a moment, oldest first. */
  after(timestamp: number): readonly LoadSample[] {
    return this.#samples.filter((sample) => sample.timestamp > timestamp);
  }
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

// What a subscriber of topics of all modes sees, in order, with complaints of what no client should see. Knows no connection; what
// is missing in the end is not its business.

import type { Numbered } from "./publisher.ts";
import type { Frame, Item } from "./steady-client.ts";

interface Seen {
  readonly epoch: string;
  readonly offset: number;
  readonly publication: Numbered;
}

/** A subscriber, however it is connected, as loads and verdicts know it. */
export interface Watcher {
  readonly name: string;
  readonly sightings: Sightings;
  /** How often a connection ended that it did not end itself. */
  readonly disconnects: number;
  /** The statuses of requests that were refused. */
  readonly turnedAway: readonly number[];
  /** How many connections ended because their token had expired. */
  readonly expired: number;
  readonly isJoined: boolean;
  start(): void;
  end(): Promise<void>;
  /** Extends the token of the connection there is, where that can be. */
  refresh(): void;
}

/** A topic as its subscriber knows it. */
export class Followed {
  readonly mode: "stream" | "latest" | "volatile";
  epoch: string | undefined;
  offset = 0;
  resets = 0;
  isJoined = false;
  deliveries = 0;
  /** In `stream`: every publication, in the order in which it came. */
  readonly seen: Seen[] = [];
  /** In `latest`: each key's number. In `volatile`: each publisher's last number. */
  readonly numbers = new Map<string, number>();
  /** In `volatile`: how many came of each publisher. */
  readonly counts = new Map<string, number>();
  /** In `latest`: the offset of each key's value. */
  readonly offsets = new Map<string, number>();

  constructor(topic: string) {
    this.mode = topic.startsWith("room:") ? "stream" : topic.startsWith("ticker:") ? "latest" : "volatile";
  }

  beginAt({ epoch, offset }: Pick<Frame, "epoch" | "offset">): void {
    this.epoch = epoch;
    this.offset = offset ?? 0;
    this.numbers.clear();
    this.offsets.clear();
  }
}

export class Sightings {
  readonly topics = new Map<string, Followed>();
  readonly complaints: string[] = [];
  /** Of each publication of a stream: how long it took from when it was first sent, repetitions and outages included. */
  readonly delaysMs: number[] = [];
  readonly #name: string;

  constructor(name: string, topics: readonly string[]) {
    this.#name = name;
    for (const topic of topics) this.topics.set(topic, new Followed(topic));
  }

  /** A connection begins. What is volatile is in order, and comes once, per connection: another node may be later. */
  connected(): void {
    for (const followed of this.topics.values()) if (followed.mode === "volatile") followed.numbers.clear();
  }

  reset(topic: string, frame: Frame): void {
    const followed = this.topics.get(topic)!;
    followed.resets += 1;
    followed.beginAt(frame);
  }

  message(topic: string, { offset = 0, key, data }: Item): void {
    const followed = this.topics.get(topic)!;
    const { publisher, number, sentAtMs } = data as Numbered;
    followed.deliveries += 1;
    if (followed.mode === "stream") {
      if (offset !== followed.offset + 1) this.complain(topic, `${offset} came after ${followed.offset}`);
      followed.offset = offset;
      followed.seen.push({ epoch: followed.epoch!, offset, publication: { publisher, number, sentAtMs } });
      this.delaysMs.push(Date.now() - sentAtMs);
    } else if (followed.mode === "latest") {
      if (offset < (followed.offsets.get(key!) ?? 0)) this.complain(topic, `${key} went back to ${offset}`);
      followed.offsets.set(key!, offset);
      followed.numbers.set(key!, number);
      followed.offset = Math.max(followed.offset, offset);
    } else {
      if (number <= (followed.numbers.get(publisher) ?? 0)) {
        this.complain(topic, `${number} of ${publisher} came after ${followed.numbers.get(publisher)}`);
      }
      followed.numbers.set(publisher, number);
      followed.counts.set(publisher, (followed.counts.get(publisher) ?? 0) + 1);
    }
  }

  complain(topic: string, what: string): void {
    this.complaints.push(`${this.#name}, ${topic}: ${what}`);
  }
}

// A subscriber of topics of all modes: writes down what it sees, in order, and complains of what no client should see. What is
// missing in the end is not its business.

import type { Numbered } from "./publisher.ts";
import { type Frame, pause, SteadyClient, type SteadyOptions } from "./steady-client.ts";

interface Seen {
  readonly epoch: string;
  readonly offset: number;
  readonly publication: Numbered;
}

/** A topic as this client knows it. */
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

  beginAt({ epoch, offset }: Frame): void {
    this.epoch = epoch;
    this.offset = offset ?? 0;
    this.numbers.clear();
    this.offsets.clear();
  }
}

export class Subscriber extends SteadyClient {
  readonly name: string;
  readonly topics = new Map<string, Followed>();
  readonly complaints: string[] = [];
  /** Of each publication of a stream: how long it took from when it was first sent, repetitions and outages included. */
  readonly delaysMs: number[] = [];

  constructor(name: string, topics: readonly string[], options: SteadyOptions) {
    super(options);
    this.name = name;
    for (const topic of topics) this.topics.set(topic, new Followed(topic));
  }

  get isJoined(): boolean {
    return [...this.topics.values()].every(({ isJoined }) => isJoined);
  }

  protected override opened(): void {
    for (const [topic, followed] of this.topics) {
      // What is volatile is in order, and comes once, per connection: another node may be later than the one before.
      if (followed.mode === "volatile") followed.numbers.clear();
      void this.#join(topic, followed);
    }
  }

  protected override received(frame: Frame): void {
    const followed = frame.topic === undefined ? undefined : this.topics.get(frame.topic);
    if (!followed) return;
    if (frame.type === "message") this.#message(frame.topic!, followed, frame);
    if (frame.type === "reset") {
      followed.resets += 1;
      followed.beginAt(frame);
    }
    if (frame.type === "ok") this.#joined(frame, followed);
  }

  async #join(topic: string, followed: Followed): Promise<void> {
    const { epoch, offset } = followed;
    const since = epoch === undefined ? {} : { since: { epoch, offset } };
    const answer = await this.request({ type: "subscribe", topic, ...since });
    if (answer?.type !== "error") return;
    if (!answer.retryable) return void this.complaints.push(`subscribing to ${topic}: ${answer.code}`);
    await pause();
    await this.#join(topic, followed);
  }

  #joined(ok: Frame, followed: Followed): void {
    if (followed.mode !== "volatile" && !(followed.isJoined && ok.recovered)) {
      if (followed.isJoined) followed.resets += 1;
      const [first] = ok.publications ?? [];
      followed.beginAt(first?.offset === undefined ? ok : { ...ok, offset: first.offset - 1 });
    }
    followed.isJoined = true;
    for (const publication of ok.publications ?? []) this.#message(ok.topic!, followed, publication);
    if (followed.mode === "latest") followed.offset = Math.max(followed.offset, ok.offset ?? 0);
  }

  #message(topic: string, followed: Followed, { offset = 0, key, data }: Frame): void {
    const { publisher, number, sentAtMs } = data as Numbered;
    followed.deliveries += 1;
    if (followed.mode === "stream") {
      if (offset !== followed.offset + 1) this.#complain(topic, `${offset} came after ${followed.offset}`);
      followed.offset = offset;
      followed.seen.push({ epoch: followed.epoch!, offset, publication: { publisher, number, sentAtMs } });
      this.delaysMs.push(Date.now() - sentAtMs);
    } else if (followed.mode === "latest") {
      if (offset < (followed.offsets.get(key!) ?? 0)) this.#complain(topic, `${key} went back to ${offset}`);
      followed.offsets.set(key!, offset);
      followed.numbers.set(key!, number);
      followed.offset = Math.max(followed.offset, offset);
    } else {
      if (number <= (followed.numbers.get(publisher) ?? 0)) {
        this.#complain(topic, `${number} of ${publisher} came after ${followed.numbers.get(publisher)}`);
      }
      followed.numbers.set(publisher, number);
      followed.counts.set(publisher, (followed.counts.get(publisher) ?? 0) + 1);
    }
  }

  #complain(topic: string, what: string): void {
    this.complaints.push(`${this.name}, ${topic}: ${what}`);
  }
}

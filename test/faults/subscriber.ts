// A subscriber of topics of all modes by WebSocket: joins, comes back with what it has, and joins again.

import { type Followed, Sightings, type Watcher } from "./sightings.ts";
import { type Frame, pause, SteadyClient, type SteadyOptions } from "./steady-client.ts";

export class Subscriber extends SteadyClient implements Watcher {
  readonly name: string;
  readonly sightings: Sightings;

  constructor(name: string, topics: readonly string[], options: SteadyOptions) {
    super(options);
    this.name = name;
    this.sightings = new Sightings(name, topics);
  }

  get isJoined(): boolean {
    return [...this.sightings.topics.values()].every(({ isJoined }) => isJoined);
  }

  protected override opened(): void {
    this.sightings.connected();
    for (const [topic, followed] of this.sightings.topics) void this.#join(topic, followed);
  }

  protected override received(frame: Frame): void {
    const followed = frame.topic === undefined ? undefined : this.sightings.topics.get(frame.topic);
    if (!followed) return;
    if (frame.type === "message") this.sightings.message(frame.topic!, frame);
    if (frame.type === "reset") this.sightings.reset(frame.topic!, frame);
    if (frame.type === "ok") this.#joined(frame, followed);
  }

  async #join(topic: string, followed: Followed): Promise<void> {
    const { epoch, offset } = followed;
    const since = epoch === undefined ? {} : { since: { epoch, offset } };
    const answer = await this.request({ type: "subscribe", topic, ...since });
    if (answer?.type !== "error") return;
    if (!answer.retryable) return void this.sightings.complain(topic, `subscribing: ${answer.code}`);
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
    for (const publication of ok.publications ?? []) this.sightings.message(ok.topic!, publication);
    if (followed.mode === "latest") followed.offset = Math.max(followed.offset, ok.offset ?? 0);
  }
}

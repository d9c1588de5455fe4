// A subscriber by server-sent events, as a browser's EventSource is one: comes back with the last event's id, wherever that leads, and at
// once, whatever it was asked to wait.

import { readId, StreamPosition } from "../../src/connections/stream-position.ts";
import { EventReader } from "../support/event-reader.ts";
import { Sightings, type Watcher } from "./sightings.ts";
import { type Frame, pause, type SteadyOptions } from "./steady-client.ts";

/** Longer than any fault lasts: a node that is silent is waited for. */
const patienceMs = 120_000;

export class EventSubscriber implements Watcher {
  readonly name: string;
  readonly sightings: Sightings;
  disconnects = 0;
  readonly turnedAway: number[] = [];
  readonly expired = 0;
  readonly #topics: readonly string[];
  readonly #options: SteadyOptions;
  #lastEventId: string | undefined;
  #reader: EventReader | undefined;
  #running: Promise<void> | undefined;
  #isOver = false;

  /** Topics with positions: that a volatile one is joined cannot be seen from an event stream. */
  constructor(name: string, topics: readonly string[], options: SteadyOptions) {
    this.name = name;
    this.sightings = new Sightings(name, topics);
    this.#topics = topics;
    this.#options = options;
  }

  get isJoined(): boolean {
    const position = this.#position;
    return this.#topics.every((topic) => position.of(topic) !== undefined);
  }

  start(): void {
    this.#running = this.#run();
  }

  async end(): Promise<void> {
    this.#isOver = true;
    this.#reader?.raw.destroy();
    await this.#running;
  }

  refresh(): void {
    // An event stream has no way to send anything.
  }

  /** An id is opaque to clients. Here it tells the epochs, which messages do not, so that they can be judged. */
  get #position(): StreamPosition {
    return new StreamPosition(this.#topics, readId(this.#reader?.lastEventId ?? ""));
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      try {
        await this.#serve();
      } catch {
        // Whatever it was: the stream is over, and the next one shows whether that mattered.
      }
      if (this.#isOver) break;
      this.disconnects += 1;
      await pause();
    }
  }

  async #serve(): Promise<void> {
    const { port, token } = this.#options;
    const reader = await EventReader.open(port(), {
      topics: this.#topics,
      token: token(),
      query: "join=none",
      ...(this.#lastEventId !== undefined && { lastEventId: this.#lastEventId }),
    });
    this.#reader = reader;
    if (this.#isOver) return void reader.raw.destroy();
    try {
      const { status } = await reader.raw.head();
      if (status !== 200) return void this.turnedAway.push(status);
      this.sightings.connected();
      for (;;) this.#took((await reader.next(patienceMs)) as Frame);
    } finally {
      if (reader.lastEventId !== "") this.#lastEventId = reader.lastEventId;
      reader.raw.destroy();
    }
  }

  #took(frame: Frame): void {
    const followed = frame.topic === undefined ? undefined : this.sightings.topics.get(frame.topic);
    if (!followed) return;
    if (frame.type === "reset") this.sightings.reset(frame.topic!, frame);
    if (frame.type !== "message") return;
    // The first one of all. Publishing begins when everybody has joined, so one missing before it is found in the end.
    if (followed.epoch === undefined) {
      followed.beginAt({ ...this.#position.of(frame.topic!), offset: frame.offset! - 1 });
    }
    this.sightings.message(frame.topic!, frame);
  }
}

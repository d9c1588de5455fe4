// The load under which faults happen: publishers and subscribers on both nodes, for each mode.

import { secondsFromNow, tokenFor } from "../support/token.ts";
import type { Case } from "./cases.ts";
import type { Engine } from "./cluster.ts";
import { EventSubscriber } from "./event-subscriber.ts";
import { type Numbered, Publisher } from "./publisher.ts";
import type { Watcher } from "./sightings.ts";
import { until } from "./steady-client.ts";
import { Subscriber } from "./subscriber.ts";

export const topics = ["room:1", "room:2", "ticker:1", "game:1"] as const;

const kept = topics.filter((topic) => !topic.startsWith("game:"));
const subscribersPerNode = 4;
const publishersPerTopic = 2;
const intervalMs = 10;
const heavyBytes = 30_000;
/** How many more publications of each publisher must be acknowledged before a phase counts as under load. */
const warmUp = 25;
const deadlineMs = 40_000;

/** What is under load: where clients of each home go. */
export interface Place<Home extends string> {
  readonly homes: readonly Home[];
  /** How many of each home listen by server-sent events, to what is not volatile; default 0. */
  readonly eventStreams?: number;
  portFor(home: Home): number;
}

export class Load<Home extends string = Engine> {
  readonly publishers: readonly (Publisher & { readonly home: Home })[];
  readonly subscribers: readonly (Watcher & { readonly home: Home })[];
  isHeavy = false;
  readonly #refreshing: NodeJS.Timeout | undefined;

  constructor(place: Place<Home>, fault: Case) {
    const padding = (number: number) => (this.isHeavy && number % 10 === 0 ? heavyBytes : 0);
    this.publishers = place.homes.flatMap((home) =>
      topics.flatMap((topic) =>
        range(publishersPerTopic).map((index) => {
          const name = `${home}-${topic.replace(":", "")}-${index}`;
          const token = () => tokenFor(name);
          const port = () => place.portFor(home);
          // For a proxy: whoever publishes to a room is where its room is.
          const options = { name, topic, intervalMs, padding, token, port, room: topic };
          return Object.assign(new Publisher(options), { home });
        }),
      ),
    );
    // A token has whole seconds: this one lasts for more than one of them.
    const claims = () => (fault.hasShortTokens ? { exp: secondsFromNow(2) } : {});
    this.subscribers = place.homes.flatMap((home) => {
      const optionsOf = (name: string) => ({
        token: () => tokenFor(name, claims()),
        port: () => place.portFor(home),
      });
      const bySocket = range(subscribersPerNode).map((index) => {
        const name = `${home}-${index}`;
        return Object.assign(new Subscriber(name, topics, optionsOf(name)), { home });
      });
      const byEvents = range(place.eventStreams ?? 0).map((index) => {
        const name = `${home}-events-${index}`;
        return Object.assign(new EventSubscriber(name, kept, optionsOf(name)), { home });
      });
      return [...bySocket, ...byEvents];
    });
    if (fault.hasShortTokens) this.#refreshing = setInterval(() => this.#refresh(), 1000);
  }

  /** Resolves once every subscriber is everywhere and every publisher has been heard. */
  async start(): Promise<void> {
    for (const subscriber of this.subscribers) subscriber.start();
    const areJoined = () => this.subscribers.every(({ isJoined }) => isJoined);
    await until(areJoined, deadlineMs, () => "all subscribers to be joined");
    for (const publisher of this.publishers) publisher.start();
    await this.goesOn();
  }

  /** Resolves once each publisher has had some more acknowledged. */
  async goesOn(): Promise<void> {
    const before = this.publishers.map(({ acknowledged }) => acknowledged.size);
    const isBehind = (index: number) => this.publishers[index]!.acknowledged.size < before[index]! + warmUp;
    const behind = () => this.publishers.filter((_, index) => isBehind(index)).map(({ name }) => name);
    await until(
      () => behind().length === 0,
      deadlineMs,
      () => `publications of ${behind()}`,
    );
  }

  /** Whether subscribers of the other node have seen something that this node has not acknowledged yet. */
  isUnderWay(home: Home): boolean {
    const others = this.subscribers.filter((subscriber) => subscriber.home !== home);
    const own = this.publishers.filter((publisher) => publisher.home === home);
    return own.some(({ topic, name, acknowledged }) =>
      others.some(({ sightings }) => {
        const isOwn = ({ publication }: { publication: Numbered }) => publication.publisher === name;
        const last = sightings.topics.get(topic)?.seen.findLast(isOwn);
        return last !== undefined && !acknowledged.has(last.publication.number);
      }),
    );
  }

  /** Ends the publishing; resolves once every subscriber has what it is owed, or never will. */
  async settle(): Promise<void> {
    await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    try {
      await until(
        () => this.#hasArrived(),
        deadlineMs,
        () => "everybody to have arrived",
      );
    } catch {
      // What is missing is for the judgement to say.
    }
  }

  async end(): Promise<void> {
    clearInterval(this.#refreshing);
    await Promise.all([...this.publishers, ...this.subscribers].map((client) => client.end()));
  }

  #hasArrived(): boolean {
    return this.publishers.every(({ topic, name, acknowledged }) =>
      this.subscribers.every(({ sightings }) => {
        const followed = sightings.topics.get(topic);
        if (!followed || followed.mode === "volatile") return true;
        const { mode, seen, numbers } = followed;
        const last = Math.max(...acknowledged.keys());
        if (mode === "latest") return numbers.get(name) === last;
        return seen.some(({ publication }) => publication.publisher === name && publication.number === last);
      }),
    );
  }

  #refresh(): void {
    this.subscribers.forEach((subscriber, index) => {
      if (index % 2 === 0) subscriber.refresh();
    });
  }
}

function range(length: number): readonly number[] {
  return Array.from({ length }, (_, index) => index);
}

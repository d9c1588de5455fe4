// Reads from one Redis who is in a topic: in one answer where that is short, else in pages. Keeps nothing.

import type { Arrival, PresenceStore } from "../store-presence.ts";
import type { CompleteInstance } from "./other-members.ts";
import type { Questions } from "./questions.ts";

/** An instance with more sessions in a topic than all together may bring at once is read in pages. */
const sessionsPerRead = 512;
const sessionsPerPage = 1000;
const topicsPerPage = 1000;

export interface Found {
  /** Of this node's own sessions, as Redis has them; 0 where it has none. */
  readonly ownRevision: number;
  readonly others: readonly CompleteInstance[];
}

export class PresenceReader {
  readonly #instance: string;
  readonly #store: PresenceStore;
  readonly #questions: Questions;

  constructor(instance: string, store: PresenceStore, questions: Questions) {
    this.#instance = instance;
    this.#store = store;
    this.#questions = questions;
  }

  /** `known`: revisions by instance whose sessions need not be read; asked for in the turn in which the question is sent. */
  async read(topic: string, known: () => Iterable<readonly [string, number]>): Promise<Found> {
    const found = await this.#ask(topic, known, sessionsPerRead);
    const others: CompleteInstance[] = [];
    for (const { instance, revision, sessions } of found) {
      if (instance === this.#instance) continue;
      const all = sessions === "too many" ? await this.#scan(topic, instance) : sessions;
      others.push({ instance, revision, sessions: all });
    }
    return { ownRevision: this.#revisionIn(found), others };
  }

  /** Only what Redis has of this node. */
  async readOwn(topic: string, known: () => Iterable<readonly [string, number]>): Promise<Found> {
    return { ownRevision: this.#revisionIn(await this.#ask(topic, known, 0)), others: [] };
  }

  /** Topics in which Redis has sessions of this node, page by page. */
  async *ownTopics(): AsyncGenerator<readonly string[]> {
    let cursor = "0";
    do {
      const from = cursor;
      const page = await this.#questions.ask(() =>
        this.#store.scanTopics(this.#instance, from, topicsPerPage),
      );
      yield page.topics;
      cursor = page.cursor;
    } while (cursor !== "0");
  }

  #ask(topic: string, known: () => Iterable<readonly [string, number]>, mostSessions: number) {
    return this.#questions.ask(() => this.#store.read(topic, known(), mostSessions));
  }

  async #scan(topic: string, instance: string): Promise<readonly Arrival[]> {
    const arrivals = new Map<string, Arrival>();
    let cursor = "0";
    do {
      const from = cursor;
      const page = await this.#questions.ask(() =>
        this.#store.scan({ instance, topic }, from, sessionsPerPage),
      );
      // A page may bring again what another one had.
      for (const arrival of page.arrivals) arrivals.set(arrival.sessionId, arrival);
      cursor = page.cursor;
    } while (cursor !== "0");
    return [...arrivals.values()];
  }

  #revisionIn(found: readonly { readonly instance: string; readonly revision: number }[]): number {
    return found.find(({ instance }) => instance === this.#instance)?.revision ?? 0;
  }
}

// A bridge whose store can lose its mind: slow and failing reads, short history, new epochs, removals that are forgotten. It
// keeps the contract all the same.

import type {
  Bridge,
  BridgeEvents,
  HistoryPage,
  Position,
  PositionedPublication,
  Publication,
} from "../../src/bridge/bridge.ts";
import { LocalPresence } from "../../src/bridge/local-presence.ts";
import type { Member, PresencePage } from "../../src/bridge/presence.ts";
import { FanwireError } from "../../src/errors.ts";

interface Stored {
  epoch: string;
  offset: number;
  kept: PositionedPublication[];
  /** The greatest offset of a removal that was forgotten. */
  forgottenOffset: number;
}

export interface ModelBridgeOptions {
  readonly historySize: number;
  readonly removalTtlMs: number;
  readonly presenceGraceMs: number;
  readonly now: () => number;
}

export class ModelBridge implements Bridge {
  readonly #options: ModelBridgeOptions;
  readonly #stored = new Map<string, Stored>();
  readonly #joined = new Set<string>();
  readonly #held: (() => void)[] = [];
  readonly presence: LocalPresence;
  #events!: BridgeEvents;
  #epochs = 0;
  isFailing = false;
  reads = 0;
  /** While set, joins and reads wait for `release`. */
  isSlow = false;
  /** While set, what is published is in the store at once and at the node only after `catchUp`: a page may be ahead of it. */
  isLate = false;
  /** While `isLate` too: of what is lost the node hears only then. */
  isLossLate = false;
  readonly #late = new Map<string, (() => void)[]>();

  constructor(options: ModelBridgeOptions) {
    this.#options = options;
    const { presenceGraceMs: graceMs, now } = options;
    this.presence = new LocalPresence(
      { graceMs, now },
      {
        came: (topic, ...news) => this.#joined.has(topic) && this.#events.came(topic, ...news),
        went: (topic, ...news) => this.#joined.has(topic) && this.#events.went(topic, ...news),
      },
    );
  }

  async start(events: BridgeEvents): Promise<void> {
    this.#events = events;
    events.alive(true);
  }

  async join(topic: string): Promise<void> {
    await this.#turn();
    this.#joined.add(topic);
    this.#late.delete(topic);
    const stored = this.#topic(topic);
    this.#forgetRemovals(stored);
    this.#events.joined(topic, this.position(topic), stored.kept, stored.forgottenOffset);
  }

  leave(topic: string): void {
    this.#joined.delete(topic);
  }

  async publish(topic: string, publication: Publication): Promise<Position> {
    const stored = this.#topic(topic);
    stored.offset += 1;
    const positioned = { ...publication, offset: stored.offset };
    const { historySize } = this.#options;
    if (publication.key === undefined) stored.kept = stored.kept.slice(-(historySize - 1) || historySize);
    else stored.kept = stored.kept.filter(({ key }) => key !== publication.key);
    stored.kept.push(positioned);
    this.#tell(topic, () => this.#events.deliver(topic, [positioned]), this.isLate);
    return this.position(topic);
  }

  async disconnect(userId: string, reason: string | undefined): Promise<void> {
    this.#events.disconnect(userId, reason);
  }

  relay(): void {
    // There is no other node.
  }

  async history(topic: string, after: number | undefined, limit: number): Promise<HistoryPage> {
    this.reads += 1;
    const { kept } = this.#topic(topic);
    const from = after ?? this.position(topic).offset - limit;
    const publications = kept.filter(({ offset }) => offset > from).slice(0, limit);
    const page = { ...this.position(topic), publications };
    // What is read is true when it is read, and may be old when it arrives.
    await this.#turn();
    return page;
  }

  enter(topic: string, member: Member): void {
    this.presence.enter(topic, member);
  }

  exit(topic: string, sessionId: string): void {
    this.presence.exit(topic, sessionId);
  }

  async present(topic: string, limit: number): Promise<PresencePage> {
    await this.#turn();
    return this.presence.present(topic, limit);
  }

  async close(): Promise<void> {
    this.presence.close();
    this.release();
  }

  position(topic: string): Position {
    const { epoch, offset } = this.#topic(topic);
    return { epoch, offset };
  }

  /** What a `latest` topic has, by key. */
  values(topic: string): Record<string, unknown> {
    const there = this.#topic(topic).kept.filter(({ removed }) => !removed);
    return Object.fromEntries(there.map(({ key, data }) => [key, data]));
  }

  /** Tells what was late. */
  catchUp(): void {
    this.isLate = false;
    for (const [topic, news] of this.#late) {
      for (const tell of news) this.#tell(topic, tell, false);
    }
    this.#late.clear();
  }

  /** The store comes back without what it had. */
  loseEverything(topic: string, offset: number): void {
    this.#late.delete(topic);
    this.#stored.set(topic, { epoch: `e${++this.#epochs}`, offset, kept: [], forgottenOffset: 0 });
    const position = this.position(topic);
    this.#tell(topic, () => this.#events.reset(topic, position), this.isLate && this.isLossLate);
  }

  /** The store comes back with all it had, under another epoch. */
  beginEpoch(topic: string): void {
    const stored = { ...this.#topic(topic), epoch: `e${++this.#epochs}` };
    this.#stored.set(topic, stored);
    if (this.#joined.has(topic)) this.#events.reset(topic, this.position(topic));
  }

  /** The store comes back with only so many of the values it had, under another epoch. */
  loseSome(topic: string, kept: number): void {
    this.#late.delete(topic);
    const { offset, kept: values } = this.#topic(topic);
    const epoch = `e${++this.#epochs}`;
    this.#stored.set(topic, { epoch, offset, kept: values.slice(0, kept), forgottenOffset: 0 });
    if (this.#joined.has(topic)) this.#events.reset(topic, this.position(topic), this.#topic(topic).kept);
  }

  /** Lets up to so many of the waiting joins and reads go on. */
  release(count = Number.POSITIVE_INFINITY): void {
    for (const go of this.#held.splice(0, count)) go();
  }

  #tell(topic: string, tell: () => void, isLate: boolean): void {
    if (isLate) this.#late.set(topic, [...(this.#late.get(topic) ?? []), tell]);
    else if (this.#joined.has(topic)) tell();
  }

  async #turn(): Promise<void> {
    if (this.isSlow) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.isFailing) throw new FanwireError("unavailable", "The store is away.");
  }

  #forgetRemovals(stored: Stored): void {
    const beforeMs = this.#options.now() - this.#options.removalTtlMs;
    const isForgotten = ({ removed, timestamp }: Publication) => removed === true && timestamp <= beforeMs;
    const forgotten = stored.kept.filter(isForgotten).map(({ offset }) => offset);
    stored.forgottenOffset = Math.max(stored.forgottenOffset, ...forgotten);
    stored.kept = stored.kept.filter((publication) => !isForgotten(publication));
  }

  #topic(topic: string): Stored {
    let stored = this.#stored.get(topic);
    if (!stored) {
      stored = { epoch: `e${++this.#epochs}`, offset: 0, kept: [], forgottenOffset: 0 };
      this.#stored.set(topic, stored);
    }
    return stored;
  }
}

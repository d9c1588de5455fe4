// One topic that this node joined: makes out of envelopes that may be lost, doubled or late, and of what Redis answers when it is
// asked, what bridge.ts promises. Pure: asks by saying so, and knows neither time nor connections.

import type { Position, PositionedPublication } from "../bridge.ts";

/** What Redis tells about a topic to whoever has followed it up to a position. */
export interface FollowAnswer extends Position {
  /** The offset at which the epoch began. */
  readonly begins: number;
  /** The epoch before this one, where that is known. */
  readonly previous: string | undefined;
  /**
   * In order of offset. Of a stream: what Redis has from the position on that was named, or from where the epoch began if the
   * epoch named is neither this one nor the previous one; up to a limit. Of `latest`: the newest value of each key.
   */
  readonly publications: readonly PositionedPublication[];
  /** Of `latest`: the greatest offset of a removal that is forgotten. */
  readonly forgottenOffset?: number;
}

export interface FollowerEvents {
  /** Redis has to be asked, soon: then `asking` is called, and `answered` or `failed` after it. */
  ask(follower: Follower): void;
  /**
   * Redis says that something is gone which may only be late: `confirmed` has to be called once everything it published until
   * now has arrived.
   */
  confirm(follower: Follower): void;
  /** What was received does not continue from the position. Called once until it does again. */
  gap(follower: Follower): void;
  joined(follower: Follower, values?: readonly PositionedPublication[], forgottenOffset?: number): void;
  deliver(follower: Follower, publications: readonly PositionedPublication[]): void;
  reset(
    follower: Follower,
    cause: ResetCause,
    values?: readonly PositionedPublication[],
    forgottenOffset?: number,
  ): void;
}

/** `epoch`: Redis may have rolled back. `history`: it no longer reaches. `inconsistent`: Redis broke its word, or somebody else did. */
export type ResetCause = "epoch" | "history" | "inconsistent";

interface Received {
  readonly epoch: string;
  readonly first: number;
  readonly publications: readonly PositionedPublication[];
}

interface Waiter {
  readonly epoch: string;
  readonly offset: number;
  readonly work: () => void;
}

/** What may wait for an answer, in publications and bytes; beyond it everything is let go and asked for again. */
const maxWaiting = 1000;
const maxWaitingBytes = 1_048_576;
/** Redis tells everything to whoever names no epoch. */
const nowhere: Position = { epoch: "", offset: 0 };

export class Follower {
  readonly topic: string;
  readonly isLatest: boolean;
  readonly #events: FollowerEvents;
  /** Empty until the topic was joined. */
  #epoch = "";
  #offset = 0;
  /** What was received while an answer was missing. Undefined: nothing is missing, as far as can be known here. */
  #waiting: Received[] | undefined = [];
  #waitingCount = 0;
  #waitingBytes = 0;
  /** Whether something received since the last question was let go. */
  #hasLetGo = false;
  /** The position that Redis was asked about, while it has not answered. */
  #asked: Position | undefined;
  /** How many of those waiting were there before Redis was asked: its answer has all of them. */
  #known = 0;
  /** Continuity has ended, and the node is told once it is known where it begins again: not before the position here. */
  #ended: { readonly from: Position; readonly cause: ResetCause } | undefined;
  /** The offset after which history seemed to have a hole, and was to be asked for again. */
  #doubtedOffset: number | undefined;
  /** Whether everything that was published until that doubt has arrived. */
  #isConfirmed = false;
  /** Those who wait until an offset is reached, in the order of offsets. */
  #waiters: Waiter[] | undefined;

  constructor(topic: string, isLatest: boolean, events: FollowerEvents) {
    this.topic = topic;
    this.isLatest = isLatest;
    this.#events = events;
  }

  get position(): Position {
    return { epoch: this.#epoch, offset: this.#offset };
  }

  get hasJoined(): boolean {
    return this.#epoch !== "";
  }

  /** Whether something is known to be missing. */
  get isBehind(): boolean {
    return this.#waiting !== undefined;
  }

  /** Publications of an epoch, the first of which has the offset `first` and each next one the next. */
  received(
    epoch: string,
    first: number,
    publications: readonly PositionedPublication[],
    bytes: number,
  ): void {
    if (this.#waiting === undefined) {
      if (this.#take(epoch, first, publications)) return;
      this.#events.gap(this);
    }
    this.#wait({ epoch, first, publications }, bytes);
    if (!this.#asked) this.#events.ask(this);
  }

  /**
   * Publications that are known otherwise than by the subscription, which will bring them too. Where they do not continue from the
   * position, what is between is most likely on its way: that is no gap.
   */
  overheard(epoch: string, first: number, publications: () => readonly PositionedPublication[]): void {
    const isNext = this.#waiting === undefined && this.#epoch === epoch && this.#offset + 1 === first;
    if (isNext) this.#deliver(publications());
  }

  /** Whether a publication has been delivered here, or is not going to be because it came before the node joined. */
  isPast(epoch: string, offset: number): boolean {
    return !this.hasJoined || (this.#epoch === epoch && this.#offset >= offset);
  }

  /** Calls `work` once an offset of an epoch is reached, or will not be, or nobody asks Redis any more. */
  whenPast(epoch: string, offset: number, work: () => void): void {
    this.#waiters ??= [];
    this.#waiters.push({ epoch, offset, work });
  }

  /** Has Redis asked whether something was missed. */
  check(): void {
    if (!this.#asked) this.#events.ask(this);
  }

  /** What was on its way here when `confirm` was called is here. */
  confirmed(): void {
    this.#isConfirmed = true;
    this.check();
  }

  /** Redis is asked now, and has to answer from this position on; undefined: with all there is. */
  asking(): Position | undefined {
    this.#asked = this.#ended?.from ?? this.position;
    this.#known = this.#waiting?.length ?? 0;
    this.#hasLetGo = false;
    return this.#asked.epoch === "" ? undefined : this.#asked;
  }

  /** Redis will not answer. Somebody has to call `check` once it can be asked again. */
  failed(): void {
    this.#asked = undefined;
    this.#doubtedOffset = undefined;
    this.#tellWaiters(Number.POSITIVE_INFINITY);
  }

  answered(answer: FollowAnswer): void {
    const asked = this.#asked ?? this.position;
    this.#asked = undefined;
    const isDone = this.isLatest ? this.#followLatest(answer, asked) : this.#followStream(answer, asked);
    if (isDone && !this.#hasLetGo && this.#drain()) return;
    // Between the pages of an answer what comes may be next, unless it is of another epoch.
    if (this.#ended) this.#waiting ??= [];
    this.#events.ask(this);
  }

  /** Takes what continues from the position; answers whether that, and nothing, is all there was to do. */
  #take(epoch: string, first: number, publications: readonly PositionedPublication[]): boolean {
    const next = this.#offset + 1;
    if (epoch !== this.#epoch || first > next) return false;
    if (first + publications.length > next) {
      this.#deliver(first === next ? publications : publications.slice(next - first));
    }
    return true;
  }

  #wait(received: Received, bytes: number): void {
    this.#waiting ??= [];
    this.#waitingCount += received.publications.length;
    this.#waitingBytes += bytes;
    if (this.#waitingCount <= maxWaiting && this.#waitingBytes <= maxWaitingBytes) {
      this.#waiting.push(received);
      return;
    }
    this.#letGo();
    this.#hasLetGo = true;
  }

  #letGo(): void {
    this.#waiting = [];
    this.#waitingCount = 0;
    this.#waitingBytes = 0;
    this.#known = 0;
  }

  /**
   * After an answer that is whole: what waited continues from it. What was there before the question and does not, Redis does
   * not know: it belongs to an epoch that is over, or was made up by somebody.
   */
  #drain(): boolean {
    const waiting = this.#waiting ?? [];
    for (let index = 0; index < waiting.length; index++) {
      const { epoch, first, publications } = waiting[index]!;
      if (this.#take(epoch, first, publications) || index < this.#known) continue;
      this.#waiting = waiting.slice(index);
      this.#known = 0;
      return false;
    }
    if (this.#waiting) this.#letGo();
    this.#waiting = undefined;
    return true;
  }

  #tellWaiters(offset: number): void {
    const waiters = this.#waiters;
    if (!waiters) return;
    const isOver = (waiter: Waiter) => waiter.offset <= offset || waiter.epoch !== this.#epoch;
    const others = waiters.filter((waiter) => !isOver(waiter));
    this.#waiters = others.length > 0 ? others : undefined;
    for (const waiter of waiters) if (isOver(waiter)) waiter.work();
  }

  /** Answers whether everything up to the answer's position is delivered. */
  #followStream(answer: FollowAnswer, asked: Position): boolean {
    if (!this.hasJoined) {
      this.#moveTo(answer.epoch, answer.offset);
      this.#events.joined(this);
      this.#tellWaiters(this.#offset);
      return true;
    }
    if (this.#ended) return this.#beginAgain(answer);
    if (answer.epoch === this.#epoch) return this.#continue(answer, asked);
    const began = { epoch: answer.epoch, offset: answer.begins };
    if (answer.previous !== this.#epoch) return this.#end(began, "epoch", answer);
    if (asked.offset > answer.begins) {
      // Redis rolled back behind what was seen here: it was asked for too little.
      this.#ended = { from: began, cause: "epoch" };
      return false;
    }
    const owed = answer.publications.filter(({ offset }) => offset > this.#offset && offset <= answer.begins);
    const run = runFrom(this.#offset + 1, owed);
    if (run.length > 0) this.#deliver(run);
    if (this.#offset < answer.begins && (run.length > 0 || this.#isOld(answer))) return false;
    return this.#end(began, "epoch", answer);
  }

  #continue(answer: FollowAnswer, asked: Position): boolean {
    if (answer.offset < asked.offset) return this.#end(answer, "inconsistent", answer);
    const news = answer.publications.filter(({ offset }) => offset > this.#offset);
    const run = runFrom(this.#offset + 1, news);
    if (run.length > 0) this.#deliver(run);
    if (this.#offset >= answer.offset) return true;
    if (run.length > 0 || this.#isOld(answer)) return false;
    // Either what is there begins later, or nothing is there.
    return this.#isDoubtful() || this.#end(this.position, "history", answer);
  }

  /**
   * While nothing that was received shows a gap, what history no longer has may be on its way here: the answer took another way.
   * It is not, if nothing has come once everything had the time to.
   */
  #isDoubtful(): boolean {
    if (this.isBehind) return false;
    if (this.#doubtedOffset === this.#offset) return !this.#isConfirmed;
    this.#doubtedOffset = this.#offset;
    this.#isConfirmed = false;
    this.#events.confirm(this);
    return true;
  }

  /** A page that ends where this node already is: it came here meanwhile, and the next page shows more. */
  #isOld({ publications }: FollowAnswer): boolean {
    return publications.length > 0 && publications.at(-1)!.offset <= this.#offset;
  }

  #end(from: Position, cause: ResetCause, answer: FollowAnswer): boolean {
    this.#ended = { from, cause };
    return this.#beginAgain(answer);
  }

  /** Continues where what Redis has begins, if the answer shows where that is. */
  #beginAgain(answer: FollowAnswer): boolean {
    const { from, cause } = this.#ended!;
    if (answer.epoch !== from.epoch) {
      this.#ended = { from: { epoch: answer.epoch, offset: answer.begins }, cause: "epoch" };
      return false;
    }
    const news = answer.publications.filter(({ offset }) => offset > from.offset);
    const isCut = news.length === 0 && answer.publications.length > 0 && answer.offset > from.offset;
    if (isCut) return false;
    this.#ended = undefined;
    this.#moveTo(answer.epoch, news.length > 0 ? news[0]!.offset - 1 : answer.offset);
    this.#events.reset(this, cause);
    this.#tellWaiters(this.#offset);
    if (news.length > 0) this.#deliver(runFrom(news[0]!.offset, news));
    return this.#offset >= answer.offset;
  }

  /** Answers whether the newest value of each key is known here. */
  #followLatest(answer: FollowAnswer, asked: Position): boolean {
    const { publications, forgottenOffset = 0 } = answer;
    if (!this.hasJoined) {
      this.#moveTo(answer.epoch, answer.offset);
      this.#events.joined(this, publications, forgottenOffset);
      this.#tellWaiters(this.#offset);
      return true;
    }
    const cause = this.#causeToReset(answer, asked);
    if (cause === "history" && this.#isDoubtful()) return true;
    if (cause) {
      this.#ended = undefined;
      this.#moveTo(answer.epoch, answer.offset);
      this.#events.reset(this, cause, publications, forgottenOffset);
      this.#tellWaiters(this.#offset);
      return true;
    }
    const news = publications.filter(({ offset }) => offset > this.#offset);
    if (news.length > 0) this.#deliver(news);
    if (this.#offset >= answer.offset) return true;
    // A value is gone that Redis once counted: only all there is can make up for it.
    this.#ended = { from: nowhere, cause: "inconsistent" };
    return false;
  }

  #causeToReset(
    { epoch, offset, forgottenOffset = 0 }: FollowAnswer,
    asked: Position,
  ): ResetCause | undefined {
    if (epoch !== this.#epoch) return "epoch";
    if (this.#ended) return this.#ended.cause;
    if (offset < asked.offset) return "inconsistent";
    // A removal may have been forgotten that was not seen here.
    return offset > this.#offset && forgottenOffset > this.#offset ? "history" : undefined;
  }

  #moveTo(epoch: string, offset: number): void {
    this.#epoch = epoch;
    this.#offset = offset;
    this.#doubtedOffset = undefined;
  }

  #deliver(publications: readonly PositionedPublication[]): void {
    this.#offset = publications.at(-1)!.offset;
    this.#events.deliver(this, publications);
    if (this.#waiters) this.#tellWaiters(this.#offset);
  }
}

/** Those of them that count on from an offset without a hole. */
function runFrom(
  first: number,
  publications: readonly PositionedPublication[],
): readonly PositionedPublication[] {
  let length = 0;
  while (length < publications.length && publications[length]!.offset === first + length) length += 1;
  return length === publications.length ? publications : publications.slice(0, length);
}

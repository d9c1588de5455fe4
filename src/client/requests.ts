// Requests that outlive connections: each waits for one, is repeated where that is safe, and ends within its time. Knows no topics' state.

import type { ErrorFrame, OkFrame, PublishFrame } from "../wire/frames.ts";
import { pauseMs } from "./backoff.ts";
import type { Answer, Connection, Question, Unnumbered } from "./connection.ts";
import type { Environment } from "./environment.ts";
import { FanwireClientError, refusal } from "./error.ts";
import type { VolatileNamespaces } from "./volatile-namespaces.ts";

export interface RequestsOptions {
  readonly environment: Environment;
  readonly maxPending: number;
  readonly volatile: VolatileNamespaces;
  readonly connection: Pick<Connection, "prepare" | "ask" | "forget">;
}

interface Entry {
  /** Its id is its place in the order. */
  question: Question;
  readonly resolve: (ok: OkFrame) => void;
  readonly reject: (error: FanwireClientError) => void;
  stopTimer: () => void;
  /** As whom it has been sent, once it has been. */
  sentBy?: string;
  /** Connections that ended without a word while its answer was due. */
  cuts: number;
  refusal?: FanwireClientError;
}

/** Requests under way at a time: a fraction of what the server takes in a burst, so that a full queue is no flood. */
const mostUnderWay = 100;
/** A frame above the server's limit may end the connection without a word (1006): a large one is not repeated for ever. */
const suspectBytes = 16_384;
const mostCuts = 3;

/** What the server did not do, so that anything may be asked again. */
const undone: readonly string[] = ["rate-limited", "unavailable", "draining"];

export class Requests {
  readonly #options: RequestsOptions;
  /** In order. */
  #waiting: Entry[] = [];
  readonly #underWay = new Map<number, Entry>();
  #userId: string | undefined;
  #failures = 0;
  #pause: (() => void) | undefined;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  request(frame: Unnumbered, timeoutMs: number): Promise<OkFrame> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length + this.#underWay.size >= this.#options.maxPending) {
        throw new FanwireClientError("too-many", "Too many requests wait for an answer.", true);
      }
      const question = this.#prepare(frame);
      const { clock } = this.#options.environment;
      const stopTimer = clock.after(timeoutMs, () => this.#expire(entry));
      const entry: Entry = { question, resolve, reject, stopTimer, cuts: 0 };
      this.#waiting.push(entry);
      this.#flush();
    });
  }

  /** A connection is there, and whatever has to go before requests has gone. */
  connected(userId: string): void {
    this.#userId = userId;
    for (const entry of this.#waiting.filter(({ sentBy }) => sentBy !== undefined && sentBy !== userId)) {
      // The server remembers idempotency keys per user: as somebody else it would be published again.
      if (isPublish(entry)) this.#settle(entry, lostAnswer());
    }
    this.#flush();
  }

  lost(code: number): void {
    this.#userId = undefined;
    this.#resume();
    const open = [...this.#underWay.values()];
    this.#underWay.clear();
    this.#waiting.unshift(...open);
    const largest = Math.max(...open.map(sizeOf));
    for (const entry of open) {
      if (code === 1006) entry.cuts += 1;
      if (code === 1009 && sizeOf(entry) === largest) {
        this.#settle(
          entry,
          new FanwireClientError("too-large", "The server closed the connection over its size."),
        );
      } else if (!isRepeatable(entry) || (sizeOf(entry) > suspectBytes && entry.cuts >= mostCuts)) {
        this.#settle(entry, lostAnswer());
      }
    }
  }

  /** Nothing is sent any more. */
  close(): void {
    this.#resume();
    const reason = new FanwireClientError("closed", "The client is closed.");
    for (const entry of [...this.#underWay.values(), ...this.#waiting]) {
      this.#settle(entry, entry.sentBy === undefined ? reason : lostAnswer());
    }
  }

  #flush(): void {
    while (this.#userId !== undefined && !this.#pause && this.#underWay.size < mostUnderWay) {
      const entry = this.#waiting.shift();
      if (!entry) return;
      entry.sentBy = this.#userId;
      this.#underWay.set(entry.question.id, entry);
      this.#options.connection.ask(entry.question, (answer) => this.#answered(entry, answer));
    }
  }

  #answered(entry: Entry, answer: Answer): void {
    this.#underWay.delete(entry.question.id);
    if (answer.type !== "error") {
      this.#failures = 0;
      entry.stopTimer();
      entry.resolve(answer as OkFrame);
      return void this.#flush();
    }
    if (answer.code === "mode-mismatch" && this.#isVolatileAfterAll(entry)) return void this.#again(entry);
    entry.refusal = refusal(answer);
    if (!mayRepeat(entry, answer)) {
      this.#settle(entry, entry.refusal);
      return void this.#flush();
    }
    this.#failures += 1;
    const { clock, random } = this.#options.environment;
    this.#pause ??= clock.after(pauseMs(this.#failures, random), () => {
      this.#pause = undefined;
      this.#flush();
    });
    this.#again(entry);
  }

  /** Back to its place in the order. Those behind it that are under way are not called back. */
  #again(entry: Entry): void {
    this.#waiting.push(entry);
    this.#waiting.sort((one, other) => one.question.id - other.question.id);
    this.#flush();
  }

  #resume(): void {
    this.#pause?.();
    this.#pause = undefined;
  }

  #expire(entry: Entry): void {
    const { type } = entry.question.frame;
    const isOpen = entry.sentBy !== undefined && (type === "publish" || type === "call");
    const late = new FanwireClientError("timeout", "There was no answer in time.", true);
    this.#settle(entry, entry.refusal ?? (isOpen ? lostAnswer() : late));
    this.#flush();
  }

  #settle(entry: Entry, error: FanwireClientError): void {
    const { id } = entry.question;
    entry.stopTimer();
    this.#waiting = this.#waiting.filter((other) => other !== entry);
    if (this.#underWay.delete(id)) this.#options.connection.forget(id);
    entry.reject(error);
  }

  /** Volatile topics keep nothing, keys neither; which topics these are the client learns from answers. */
  #prepare(frame: Unnumbered): Question {
    const { idempotencyKey, ...rest } = frame as Partial<PublishFrame>;
    const isKeyless = idempotencyKey !== undefined && this.#options.volatile.has(rest.topic!);
    try {
      return this.#options.connection.prepare((isKeyless ? rest : frame) as Unnumbered);
    } catch (error) {
      throw new FanwireClientError("bad-data", `The frame cannot be encoded: ${error}`);
    }
  }

  #isVolatileAfterAll(entry: Entry): boolean {
    const { id: _, ...frame } = entry.question.frame as PublishFrame;
    if (frame.idempotencyKey === undefined || frame.key !== undefined || frame.removed) return false;
    this.#options.volatile.add(frame.topic);
    entry.question = this.#prepare(frame);
    return true;
  }
}

const isPublish = ({ question }: Entry) => question.frame.type === "publish";
const sizeOf = ({ question }: Entry) => question.message.length;

/** Whether it may be sent again although it may have been done. */
function isRepeatable({ question: { frame } }: Entry): boolean {
  if (frame.type === "publish") return "idempotencyKey" in frame;
  return frame.type !== "call" && frame.type !== "ping";
}

function mayRepeat(entry: Entry, { code, retryable }: ErrorFrame): boolean {
  if (entry.question.frame.type === "call") return false; // The application's own codes mean what it means by them.
  return isRepeatable(entry) ? retryable : undone.includes(code);
}

function lostAnswer(): FanwireClientError {
  return new FanwireClientError("outcome-unknown", "The connection was lost before the answer came.", true);
}

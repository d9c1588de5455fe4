// Questions about followed topics, asked in runs of bounded size, one run at a time: after a reconnect there is one for each
// topic, and Redis has others to serve. Knows no answers.

import { type RedisConnection, RedisError, type Reply } from "../connection.ts";
import type { Operation } from "../store-reply.ts";
import type { Clock } from "./clock.ts";

export interface QuestionsOptions<Asker, Answer> {
  readonly clock: Clock;
  readonly isConnected: () => boolean;
  readonly run: RedisConnection["run"];
  /** Made when it is sent. */
  readonly ask: (asker: Asker) => Operation<Answer>;
  readonly answered: (asker: Asker, answer: Answer) => void;
  /** There is no answer, because the connection ended (undefined), or Redis refused or said something that makes no sense. */
  readonly failed: (asker: Asker, refusal: RedisError | undefined) => void;
}

const callsPerRun = 256;

export class Questions<Asker, Answer> {
  readonly #options: QuestionsOptions<Asker, Answer>;
  readonly #waiting = new Set<Asker>();
  #isAsking = false;

  constructor(options: QuestionsOptions<Asker, Answer>) {
    this.#options = options;
  }

  /** Once for each asker, however often it asks before it is its turn. */
  add(asker: Asker): void {
    this.#waiting.add(asker);
    this.#askLater();
  }

  delete(asker: Asker): void {
    this.#waiting.delete(asker);
  }

  /** The link was lost: whoever still has something to ask, asks again after the next one. */
  clear(): void {
    this.#waiting.clear();
  }

  #askLater(): void {
    if (this.#isAsking || this.#waiting.size === 0) return;
    this.#isAsking = true;
    this.#options.clock.defer(() => this.#ask());
  }

  #ask(): void {
    const { ask, isConnected, run } = this.#options;
    const askers: Asker[] = [];
    for (const asker of this.#waiting) {
      if (askers.length >= callsPerRun || !isConnected()) break;
      this.#waiting.delete(asker);
      askers.push(asker);
    }
    if (askers.length === 0) {
      this.#isAsking = false;
      return;
    }
    const questions = askers.map(ask);
    run(questions.map(({ call }) => call)).then(
      (replies) => this.#answered(askers, questions, replies),
      () => this.#answered(askers, questions, []),
    );
  }

  #answered(
    askers: readonly Asker[],
    questions: readonly Operation<Answer>[],
    replies: readonly (Reply | RedisError)[],
  ): void {
    const { answered, failed } = this.#options;
    this.#isAsking = false;
    for (const [index, asker] of askers.entries()) {
      if (replies.length === 0) {
        failed(asker, undefined);
        continue;
      }
      const answer = readReply(questions[index]!, replies[index]);
      if (answer instanceof RedisError) failed(asker, answer);
      else answered(asker, answer);
    }
    this.#askLater();
  }
}

/** What a reply says, or why it says nothing. */
export function readReply<Answer>(
  { parse }: Operation<Answer>,
  reply: Reply | RedisError | undefined,
): Answer | RedisError {
  try {
    return parse(reply);
  } catch (refusal) {
    if (refusal instanceof RedisError) return refusal;
    throw refusal;
  }
}

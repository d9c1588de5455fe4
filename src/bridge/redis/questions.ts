// Questions to one Redis, asked in runs of bounded size, one run at a time: however many there are, others get their turn in
// between. Knows nothing of what is asked.

import type { RedisConnection } from "../connection.ts";
import type { Operation } from "../store-reply.ts";

interface Question {
  readonly operation: () => Operation<unknown>;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (fault: unknown) => void;
}

export class Questions {
  readonly #run: RedisConnection["run"];
  readonly #callsPerRun: number;
  #waiting: Question[] = [];
  #isAsking = false;

  constructor(run: RedisConnection["run"], callsPerRun: number) {
    this.#run = run;
    this.#callsPerRun = callsPerRun;
  }

  /** `operation` is made when it is sent. Rejects with RedisError or ConnectionLost. */
  ask<Answer>(operation: () => Operation<Answer>): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      this.#waiting.push({ operation, resolve: resolve as (answer: unknown) => void, reject });
      if (!this.#isAsking) void this.#askAll();
    });
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    // What else this turn asks goes out with it.
    await undefined;
    while (this.#waiting.length > 0) {
      const questions = this.#waiting.slice(0, this.#callsPerRun);
      this.#waiting = this.#waiting.slice(this.#callsPerRun);
      await this.#askSome(questions);
    }
    this.#isAsking = false;
  }

  async #askSome(questions: readonly Question[]): Promise<void> {
    try {
      const operations = questions.map(({ operation }) => operation());
      const replies = await this.#run(operations.map(({ call }) => call));
      for (const [index, { resolve, reject }] of questions.entries()) {
        try {
          resolve(operations[index]!.parse(replies[index]));
        } catch (refusal) {
          reject(refusal);
        }
      }
    } catch (fault) {
      for (const { reject } of questions) reject(fault);
    }
  }
}

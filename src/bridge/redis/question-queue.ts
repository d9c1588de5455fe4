// Questions to one Redis, asked in runs of bounded size, one at a time: however many there are, others get their turn in
// between. Knows nothing of what is asked.

import { type Call, type RedisConnection, RedisError, type Reply } from "../connection.ts";

/** Each may bring 512 sessions: about 0.3 ms of Redis. */
const callsPerRun = 64;

interface Question {
  readonly call: () => Call;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (fault: unknown) => void;
}

export class QuestionQueue {
  readonly #run: RedisConnection["run"];
  #waiting: Question[] = [];
  #isAsking = false;

  constructor(run: RedisConnection["run"]) {
    this.#run = run;
  }

  /** `call` is made when it is sent. Rejects with RedisError or ConnectionLost. */
  ask(call: () => Call): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, resolve, reject });
      if (!this.#isAsking) void this.#askAll();
    });
  }

  async #askAll(): Promise<void> {
    this.#isAsking = true;
    // What else this turn asks goes out with it.
    await undefined;
    while (this.#waiting.length > 0) {
      const questions = this.#waiting.slice(0, callsPerRun);
      this.#waiting = this.#waiting.slice(callsPerRun);
      await this.#askSome(questions);
    }
    this.#isAsking = false;
  }

  async #askSome(questions: readonly Question[]): Promise<void> {
    try {
      const replies = await this.#run(questions.map(({ call }) => call()));
      for (const [index, { resolve, reject }] of questions.entries()) {
        const reply = replies[index];
        if (reply === undefined || reply instanceof RedisError) reject(reply);
        else resolve(reply);
      }
    } catch (fault) {
      for (const { reject } of questions) reject(fault);
    }
  }
}

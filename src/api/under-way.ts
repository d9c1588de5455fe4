// The API's requests that wait for their answer, so that a node's end can wait for them; knows nothing of what they ask.

import type { HttpReply } from "../engine/engine.ts";
import type { Endpoint } from "./api.ts";

export class RequestsUnderWay {
  readonly #answers = new Set<Promise<HttpReply>>();

  /** The same endpoint, whose answers are waited for. */
  watch(endpoint: Endpoint): Endpoint {
    return (request, readBody) => {
      const answer = endpoint(request, readBody);
      if (!(answer instanceof Promise)) return answer;
      this.#answers.add(answer);
      const done = () => this.#answers.delete(answer);
      answer.then(done, done);
      return answer;
    };
  }

  /** Resolves when all that wait now have been answered and the engine has written that, or after `timeoutMs`. */
  async finished(timeoutMs: number): Promise<void> {
    if (this.#answers.size === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.allSettled(this.#answers), deadline]);
    clearTimeout(timer);
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}

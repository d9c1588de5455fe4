// One process of the generator as the coordinator sees it: takes an order, gives its answer. Bun to Bun, over the runtime's own channel.

import { join } from "node:path";
import type { Answers, Failure, Order } from "./messages.ts";

export interface Worker {
  readonly pid: number;
  /**
   * One order at a time. Rejects with the process's own error, when it ends before it answers, and when it has not answered
   * within so many milliseconds: it is ended then, because an answer that comes later would be taken for the next order's.
   */
  ask<One extends Order>(order: One, withinMs: number): Promise<Answers[One["do"]]>;
  stop(): Promise<void>;
}

/**
 * `prefix`: what the runtime is started through. A child has its parent's core, because the coordinator is pinned before it
 * starts any.
 */
export function startWorker(
  script: "receivers.ts" | "publishers.ts",
  prefix: readonly string[] = [],
): Worker {
  let answered: { resolve(answer: object): void; reject(error: Error): void } | undefined;
  let ended: string | undefined;
  const child = Bun.spawn([...prefix, process.execPath, join(import.meta.dirname, script)], {
    stdio: ["ignore", "inherit", "inherit"],
    serialization: "advanced",
    ipc(message: object) {
      const waiting = answered;
      answered = undefined;
      if ("failure" in message) waiting?.reject(new Error((message as Failure).failure));
      else waiting?.resolve(message);
    },
    onExit(_, code) {
      ended ??= `${script} ended with ${code}`;
      answered?.reject(new Error(ended));
    },
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  return {
    pid: child.pid,
    async ask<One extends Order>(order: One, withinMs: number) {
      if (ended !== undefined) throw new Error(ended);
      const { promise, resolve, reject } = Promise.withResolvers<Answers[One["do"]]>();
      answered = { resolve: resolve as (answer: object) => void, reject };
      const timer = setTimeout(() => {
        ended = `${script} has not answered "${order.do}" within ${withinMs} ms`;
        reject(new Error(ended));
        kill();
      }, withinMs);
      child.send(order);
      return promise.finally(() => clearTimeout(timer));
    },
    async stop() {
      process.off("exit", kill);
      kill();
      await child.exited;
    },
  };
}

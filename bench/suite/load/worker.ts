// One process of the generator as the coordinator sees it: takes an order, gives its answer. Bun to Bun, over the runtime's own channel.

import { join } from "node:path";
import type { Answers, Failure, Order } from "./messages.ts";

export interface Worker {
  readonly pid: number;
  /** One order at a time. Rejects with the process's own error, or when it ends before it answers. */
  ask<One extends Order>(order: One): Promise<Answers[One["do"]]>;
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
      answered?.reject(new Error(`${script} ended with ${code}`));
    },
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  return {
    pid: child.pid,
    ask<One extends Order>(order: One) {
      return new Promise<Answers[One["do"]]>((resolve, reject) => {
        answered = { resolve: resolve as (answer: object) => void, reject };
        child.send(order);
      });
    },
    async stop() {
      process.off("exit", kill);
      kill();
      await child.exited;
    },
  };
}

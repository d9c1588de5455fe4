// A node that is started again at the address it had, as a supervisor would; knows nothing of who breaks it.

import type { InputOptions } from "../../src/server.ts";
import type { EngineName } from "../support/engine-host.ts";
import { startServer } from "../support/served.ts";
import type { ServerProcess } from "../support/server-process.ts";
import { secret } from "../support/token.ts";
import { pageOrigin } from "./crew-browser.ts";

/** More than any soak lets pass, so that history never is the reason for a `reset`. */
const history = { size: 1_000_000, ttlMs: 3_600_000, maxBytes: 1024 * 1024 * 1024 };

export class Node {
  readonly engine: EngineName;
  readonly port: number;
  readonly #options: InputOptions;
  readonly #said: string[] = [];
  #process: ServerProcess;

  private constructor(engine: EngineName, options: InputOptions, process: ServerProcess) {
    this.engine = engine;
    this.#options = options;
    this.#process = process;
    this.port = process.port;
  }

  static async start(engine: EngineName, redisUrl: string): Promise<Node> {
    const namespaces = { room: { mode: "stream", history } } as const;
    const trustedProxies = ["127.0.0.1"];
    const who = { jwtSecret: secret, apiKeys: [apiKey], allowedOrigins: [pageOrigin], trustedProxies };
    const options = { ...who, redis: { urls: [redisUrl] }, namespaces };
    return new Node(engine, options, await startServer(engine, options));
  }

  get pid(): number {
    return this.#process.pid;
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#process.signal(name);
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** As a deployment does: it drains, and ends by itself. */
  async drain(): Promise<void> {
    this.#process.signal("SIGTERM");
    await this.#process.exited();
  }

  /** After `kill` or `drain`. */
  async revive(): Promise<void> {
    this.#said.push(...this.#process.said);
    this.#process = await startServer(this.engine, this.#options, { FANWIRE_PORT: `${this.port}` });
  }

  /** What it has said, ever, that no fault of a soak explains. */
  get complaints(): readonly string[] {
    return [...this.#said, ...this.#process.said].filter(
      (line) => !line.startsWith("{") || /"(fault|error)"/.test(line),
    );
  }

  async metrics(): Promise<string> {
    const headers = { authorization: `Bearer ${apiKey}` };
    return (await fetch(`http://127.0.0.1:${this.port}/metrics`, { headers })).text();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

const apiKey = "sixteen-or-more-letters";

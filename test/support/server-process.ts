// A server as its users start it: a process of its own, known by its log lines and its exit.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { within } from "./websocket.ts";

export const root = join(import.meta.dirname, "../..");
const bun = join(root, "node_modules/.bin/bun");

/** How each engine's server is started. */
export const commands = {
  bun: [bun, join(root, "src/main.ts")],
  uws: ["node", join(root, "dist/main.js")],
  chat: [bun, join(root, "examples/chat-server.ts")],
} as const satisfies Record<string, readonly [string, string]>;

export class ServerProcess {
  readonly port: number;
  /** Every line it has written so far, to either output. */
  readonly said: readonly string[];
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number, said: readonly string[]) {
    this.#child = child;
    this.port = port;
    this.said = said;
  }

  /** Starts it and waits until it listens. */
  static async start(
    command: keyof typeof commands,
    env: Record<string, string> = {},
  ): Promise<ServerProcess> {
    const [program, script] = commands[command];
    if (!existsSync(script)) throw new Error(`${script} is missing: npm run build`);
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("FANWIRE_"));
    const child = spawn(program, [script], {
      env: { ...Object.fromEntries(inherited), FANWIRE_PORT: "0", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const said: string[] = [];
    createInterface({ input: child.stderr! }).on("line", (line) => said.push(line));
    const port = new Promise<number>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on("line", (line) => {
        said.push(line);
        const fields = parse(line);
        if (fields.event === "listening") resolve(Number(fields.port));
      });
      child.on("error", reject);
      child.on("exit", (code) => reject(new Error(`exit code ${code}: ${said.join("\n")}`)));
    });
    try {
      return new ServerProcess(
        child,
        await within(20_000, port, () => `listening: ${said.join("\n")}`),
        said,
      );
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** What the process is sent by whoever runs it: SIGTERM asks it to drain, SIGSTOP freezes it until SIGCONT. */
  signal(name: "SIGTERM" | "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(name);
  }

  /** The exit code, once the process has ended; null when a signal ended it. */
  async exited(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    const exit = new Promise<number | null>((resolve) => this.#child.once("exit", resolve));
    return within(20_000, exit, () => "the end of the process");
  }

  /** Kills the process as a crash would, and waits for its end. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGKILL");
    await ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

function parse(line: string): { readonly event?: unknown; readonly port?: unknown } {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

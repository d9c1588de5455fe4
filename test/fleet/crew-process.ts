// A crew in a process: Bun, Node.js or Deno, asked by lines and answered by lines.

import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { root } from "../support/server-process.ts";
import { within } from "../support/websocket.ts";
import type { Crew, Runtime } from "./crew.ts";
import type { GroupPlan } from "./group.ts";

const binaries = join(root, "test/runtimes/node_modules/.bin");
/** As it is in the package, except in Bun, which runs the sources as well. */
const built = join(root, "dist/client/client.js");
const runtimes = {
  Bun: { command: [process.execPath], client: join(root, "src/client/client.ts") },
  "Node.js 22": { command: [join(binaries, "node"), "--disable-warning=ExperimentalWarning"], client: built },
  Deno: {
    command: [join(binaries, "deno"), "run", "--allow-all", "--node-modules-dir=manual", "--no-lock"],
    client: built,
  },
};

const main = join(import.meta.dirname, "group-main.ts");
/** Longer than a publication may take, which is the longest of what is asked. */
const answerWithinMs = 250_000;

export class ProcessCrew implements Crew {
  readonly #runtime: Runtime;
  readonly #child: ChildProcess;
  readonly #answers: ((line: string) => void)[] = [];
  readonly #ended: Promise<void>;
  #said = "";

  constructor(runtime: keyof typeof runtimes, plan: GroupPlan) {
    this.#runtime = runtime;
    const { command, client } = runtimes[runtime];
    const [program = "", ...args] = command;
    this.#child = spawn(program, [...args, main, client], { stdio: ["pipe", "pipe", "pipe"] });
    this.#child.stderr!.on("data", (chunk) => {
      this.#said += chunk;
    });
    this.#ended = new Promise((resolve) => this.#child.once("close", () => resolve()));
    // One that has ended is noticed by its end, not by what it was told after it.
    this.#child.stdin!.on("error", () => undefined);
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#answers.shift()?.(line));
    this.#send("plan", [plan]);
  }

  ask: Crew["ask"] = async (command, ...args) => {
    const line = new Promise<string>((resolve) => this.#answers.push(resolve));
    this.#send(command, args);
    const ended = this.#ended.then(() => Promise.reject(new Error(`${this.#runtime} ended: ${this.#said}`)));
    const what = () => `${command} of ${this.#runtime}: ${this.#said}`;
    return JSON.parse(await within(answerWithinMs, Promise.race([line, ended]), what));
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }

  #send(command: string, args: readonly unknown[]): void {
    this.#child.stdin!.write(`${JSON.stringify({ command, args })}\n`);
  }
}

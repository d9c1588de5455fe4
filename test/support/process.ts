// Starts a process as a stranger would and hears its lines; knows nothing of what they should say.

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export const root = new URL("../..", import.meta.url).pathname;

/** The same node on both runtimes: on Bun from the sources, on Node.js from what `npm run build` made. */
export const runtimes = [
  { engine: "bun", command: [process.execPath, "src/main.ts"], preload: "--preload" },
  { engine: "uws", command: ["node", "dist/main.js"], preload: "--import" },
] as const;

export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

export interface Exit {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const deadlineMs = 20_000;

export class Process {
  readonly child: ChildProcess;
  readonly log: LogLine[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #exit: Promise<Exit>;
  #stdout = "";
  #stderr = "";

  /** `env` is all it gets besides PATH and HOME, so that no setting of this machine leaks in. */
  constructor(command: readonly string[], env: Readonly<Record<string, string>> = {}, cwd = root) {
    const { PATH = "", HOME = "" } = process.env;
    const [file = "", ...args] = command;
    this.child = spawn(file, args, { cwd, env: { PATH, HOME, ...env }, stdio: ["pipe", "pipe", "pipe"] });
    this.child.stderr?.on("data", (chunk) => {
      this.#stderr += chunk;
    });
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      this.#stdout += `${line}\n`;
      if (line.startsWith("{")) this.log.push(JSON.parse(line));
      for (const listener of this.#listeners) listener();
    });
    this.#exit = new Promise((resolve, reject) => {
      this.child.once("error", reject);
      this.child.once("close", (code) => resolve({ code, stdout: this.#stdout, stderr: this.#stderr }));
    });
  }

  /** What it has written to standard output so far. */
  get stdout(): string {
    return this.#stdout;
  }

  /** Resolves to the first log line with this event, past or to come. */
  event(name: string): Promise<LogLine> {
    return this.#found(() => this.log.find(({ event }) => event === name), name);
  }

  /** Resolves to the first line of standard output that matches, past or to come. */
  line(pattern: RegExp): Promise<string> {
    return this.#found(() => this.#stdout.split("\n").find((line) => pattern.test(line)), `${pattern}`);
  }

  exit(): Promise<Exit> {
    return this.#within(this.#exit, "the end of the process");
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  #found<T>(find: () => T | undefined, what: string): Promise<T> {
    const found = new Promise<T>((resolve, reject) => {
      const look = () => {
        const what = find();
        if (what !== undefined) resolve(what);
      };
      this.#listeners.add(look);
      look();
      this.#exit.then(
        ({ code, stderr }) => reject(new Error(`ended with ${code} before ${what}: ${stderr}`)),
        reject,
      );
    });
    return this.#within(found, what);
  }

  async #within<T>(promise: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.child.kill("SIGKILL");
        reject(new Error(`waited in vain for ${what}; so far: ${this.#stdout}${this.#stderr}`));
      }, deadlineMs);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

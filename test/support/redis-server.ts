// A real redis-server in a folder of its own, on a unix socket and a free port; knows nothing of what is kept in it.

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { freePort } from "../../scripts/free-port.ts";

const deadlineMs = 20_000;
const execute = promisify(execFile);

export interface RedisServerOptions {
  /** Directives of redis.conf as arguments, such as ["--requirepass", "secret"]. */
  readonly directives?: readonly string[];
}

export class RedisServer {
  readonly folder: string;
  readonly port: number;
  readonly #directives: readonly string[];
  #child: ChildProcess | undefined;

  private constructor(folder: string, port: number, directives: readonly string[]) {
    this.folder = folder;
    this.port = port;
    this.#directives = directives;
  }

  static async start({ directives = [] }: RedisServerOptions = {}): Promise<RedisServer> {
    // A port that was free may be somebody else's by the time it is taken; then another one will do.
    for (let attempt = 1; ; attempt++) {
      const folder = await mkdtemp(join(tmpdir(), "fanwire-redis-"));
      const server = new RedisServer(folder, await freePort(), directives);
      try {
        await server.#spawn();
        return server;
      } catch (error) {
        await server.end();
        if (attempt === 3) throw error;
      }
    }
  }

  /** The unix socket's path. */
  get address(): string {
    return join(this.folder, "socket");
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Writes what it has to disk, as a shutdown in order does, and comes back with it. */
  async restart(): Promise<void> {
    await this.#stop("SIGTERM");
    await this.#spawn();
  }

  /** Kills it. Nothing after the last write to disk is left: without `save`, nothing at all. */
  async kill(): Promise<void> {
    await this.#stop("SIGKILL");
  }

  /** Starts it again after `kill`, with what is on disk, or empty. */
  async revive({ isEmpty = false } = {}): Promise<void> {
    if (isEmpty) await rm(join(this.folder, "dump.rdb"), { force: true });
    await this.#spawn();
  }

  /** It keeps its connections and answers nothing until `resume`. */
  pause(): void {
    this.#child?.kill("SIGSTOP");
  }

  resume(): void {
    this.#child?.kill("SIGCONT");
  }

  /** One command by redis-cli, on a connection of its own. Answers what that prints. */
  async command(...words: readonly string[]): Promise<string> {
    const { stdout } = await execute("redis-cli", ["-s", this.address, ...words]);
    return stdout.trimEnd();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }

  async end(): Promise<void> {
    await this.#stop("SIGKILL");
    await rm(this.folder, { recursive: true, force: true });
  }

  async #spawn(): Promise<void> {
    const where = ["--port", `${this.port}`, "--bind", "127.0.0.1", "--unixsocket", this.address];
    // Seconds that never come: it saves at an orderly end only, which asks for a rule to be there.
    const what = ["--dir", this.folder, "--save", "100000 1000000", "--appendonly", "no"];
    const child = spawn("redis-server", [...where, ...what, ...this.#directives], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.#child = child;
    const said: string[] = [];
    await new Promise<void>((resolve, reject) => {
      const fail = () => reject(new Error(`redis-server did not start: ${said.join("\n")}`));
      const timer = setTimeout(fail, deadlineMs);
      child.once("error", reject);
      child.once("exit", fail);
      createInterface({ input: child.stdout! }).on("line", (line) => {
        said.push(line);
        // With a unix socket this is the last of two lines that say it.
        if (!line.includes("The server is now ready to accept connections at")) return;
        clearTimeout(timer);
        child.off("exit", fail);
        resolve();
      });
    });
  }

  async #stop(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    // One that is paused hears of its end only once it goes on.
    child.kill("SIGCONT");
    await exited;
  }
}

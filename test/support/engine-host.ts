// The suite's side of engine-host.mjs: starts it, hands it steps, hears its events; knows nothing of what they prove.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type ConnectOptions, connect, type WebSocketClient, within } from "./websocket.ts";

export type EngineName = "bun" | "uws";
/** A step by its name in engine-host.mjs, and its arguments. */
export type Step = readonly [name: string, ...args: unknown[]];

export interface HostEvent {
  readonly event: string;
  readonly n?: number;
  readonly [field: string]: unknown;
}

const deadlineMs = 10_000;

export class EngineHost {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #inbox: Inbox;
  #connections = 0;

  constructor(process: ChildProcess, inbox: Inbox, port: number) {
    this.#process = process;
    this.#inbox = inbox;
    this.port = port;
  }

  static async start(engine: EngineName, limits: object): Promise<EngineHost> {
    const script = new URL("./engine-host.mjs", import.meta.url).pathname;
    const runtime = engine === "bun" ? process.execPath : "node";
    const child = spawn(runtime, [script, engine, JSON.stringify(limits)], {
      stdio: ["pipe", "pipe", "pipe"],
    });
    const inbox = new Inbox(child);
    const { port } = await inbox.take("listening");
    return new EngineHost(child, inbox, port as number);
  }

  /** Connects, and resolves when the engine has opened the connection: `n` is its number in steps and events. */
  async connect(
    options: ConnectOptions & { port?: number } = {},
  ): Promise<WebSocketClient & { n: number; opened: HostEvent }> {
    const n = ++this.#connections;
    const [path, query] = (options.path ?? "/").split("?");
    const client = await connect(options.port ?? this.port, {
      ...options,
      path: `${path}?n=${n}${query ? `&${query}` : ""}`,
    });
    return Object.assign(client, { n, opened: await this.event("open", n) });
  }

  /** Runs the steps in one turn of the host, outside any handler, and resolves to what they returned. */
  async run(...steps: Step[]): Promise<unknown[]> {
    this.#write({ steps });
    return (await this.#inbox.take("done")).results as unknown[];
  }

  /** Has the steps run inside the next call of a handler for this connection: `cause` brings that call about. */
  async during(event: string, n: number, steps: Step[], cause: () => unknown): Promise<unknown[]> {
    this.#write({ steps, during: [event, n] });
    await this.#inbox.take("scripted");
    cause();
    return (await this.#inbox.take("done")).results as unknown[];
  }

  /** The next call of a handler for connection `n`, in the order of the calls. */
  event(event: string, n: number): Promise<HostEvent> {
    return this.#inbox.take(event, n);
  }

  /** The message of the next error that the engine reports of a handler. */
  async failure(): Promise<unknown> {
    return (await this.#inbox.take("failed")).message;
  }

  /** Why the next body that could not be read could not be. */
  async fault(): Promise<unknown> {
    return (await this.#inbox.take("fault")).fault;
  }

  /** Calls of handlers for connection `n` that nobody has asked for yet, in order. */
  pending(n: number): HostEvent[] {
    return this.#inbox.pending(n);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = new Promise((resolve) => this.#process.once("exit", resolve));
    this.#process.kill();
    await exited;
  }

  #write(line: object): void {
    this.#process.stdin!.write(`${JSON.stringify(line)}\n`);
  }
}

/** The host's lines until somebody asks for them. A host that dies fails whoever waits, with what it said last. */
class Inbox {
  readonly #events: HostEvent[] = [];
  #stderr = "";
  #exited = false;
  #wake: (() => void)[] = [];

  constructor(child: ChildProcess) {
    createInterface({ input: child.stdout! }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as HostEvent);
      this.#notify();
    });
    child.stderr!.on("data", (chunk) => {
      this.#stderr += String(chunk);
    });
    child.on("exit", () => {
      this.#exited = true;
      this.#notify();
    });
  }

  async take(event: string, n?: number): Promise<HostEvent> {
    const at = () => this.#events.findIndex((line) => line.event === event && line.n === n);
    const arrival = async () => {
      while (at() < 0) {
        if (this.#exited) throw new Error(`the engine's process ended: ${this.#stderr}`);
        await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    };
    const what = () => `${event}${n === undefined ? "" : ` of ${n}`} from the host ${this.#stderr}`;
    await within(deadlineMs, arrival(), what);
    return this.#events.splice(at(), 1)[0]!;
  }

  pending(n: number): HostEvent[] {
    return this.#events.filter((line) => line.n === n);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}

// A TCP proxy between a node and a server that breaks as networks break: cut, stalled, slow; knows nothing of what it carries.

import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

export interface Slowness {
  /** How much later everything arrives; default 0. */
  readonly delayMs?: number;
  /** How much passes at most, per connection and direction; default: any amount. */
  readonly bytesPerSecond?: number;
}

type State = "open" | "cut" | "stalled";

/** What waits in the proxy per connection and direction before it stops reading, as a network would. */
const mostHeldBytes = 1024 * 1024;
const chunkBytes = 16 * 1024;

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #waiting: { readonly count: number; readonly resolve: () => void }[] = [];
  #state: State = "open";
  #slowness: Slowness = {};
  #accepted = 0;

  private constructor(port: number, host: string) {
    // Half of a connection may end before the other does; the proxy passes on what it sees.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
      near.on("error", () => undefined);
      if (this.#state === "cut") return void near.resetAndDestroy();
      const far = connect({ port, host, allowHalfOpen: true, noDelay: true });
      const pair = new Pair(near, far, () => this.#pairs.delete(pair));
      pair.slowness = this.#slowness;
      this.#pairs.add(pair);
      if (this.#state === "stalled") pair.stall();
      this.#accepted += 1;
      for (const { count, resolve } of this.#waiting) if (count <= this.#accepted) resolve();
    });
  }

  /** Listens on a free port of loopback and passes on to `port` at `host`. */
  static async to(port: number, host = "127.0.0.1"): Promise<TcpProxy> {
    const proxy = new TcpProxy(port, host);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that are open now. */
  get count(): number {
    return this.#pairs.size;
  }

  /** Connections that were accepted so far, those of a stall included. */
  get accepted(): number {
    return this.#accepted;
  }

  /** Resolves once this many more have been accepted than `since`, which is what `accepted` was. */
  connected(more = 1, since = this.#accepted): Promise<void> {
    const count = since + more;
    if (this.#accepted >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  /** Resolves once every connection that is open now has ended. */
  async ended(): Promise<void> {
    await Promise.all([...this.#pairs].map(({ ended }) => ended));
  }

  /** Ends what is connected, with RST or FIN, and refuses whatever comes, until `heal`. Resolves once nothing is open. */
  async cut(how: "rst" | "fin" = "rst"): Promise<void> {
    this.#state = "cut";
    await this.drop(how);
  }

  /** Ends what is connected, which may come again at once. Resolves once it has ended. */
  async drop(how: "rst" | "fin" = "rst"): Promise<void> {
    const pairs = [...this.#pairs];
    for (const pair of pairs) pair.end(how);
    await Promise.all(pairs.map(({ ended }) => ended));
  }

  /** Connections stay and are accepted, and carry nothing in either direction, until `heal`: a network without an answer. */
  stall(): void {
    this.#state = "stalled";
    for (const pair of this.#pairs) pair.stall();
  }

  /** From now on everything takes longer, also on what is connected, until `heal`. */
  slow(slowness: Slowness): void {
    this.#slowness = slowness;
    for (const pair of this.#pairs) pair.slowness = slowness;
  }

  /** Whatever was wrong is not any more. What a stall held back arrives now. */
  heal(): void {
    this.#state = "open";
    this.slow({});
    for (const pair of this.#pairs) pair.heal();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** One connection through the proxy: both its sockets. */
class Pair {
  readonly ended: Promise<void>;
  readonly #sockets: readonly Socket[];
  readonly #directions: readonly Direction[];

  constructor(near: Socket, far: Socket, gone: () => void) {
    this.#sockets = [near, far];
    this.#directions = [new Direction(near, far), new Direction(far, near)];
    for (const [socket, other] of [[near, far] as const, [far, near] as const]) {
      socket.on("error", () => other.resetAndDestroy());
    }
    const closed = this.#sockets.map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    this.ended = Promise.all(closed).then(() => {
      for (const direction of this.#directions) direction.close();
      gone();
    });
  }

  set slowness(slowness: Slowness) {
    for (const direction of this.#directions) direction.slowness = slowness;
  }

  stall(): void {
    for (const direction of this.#directions) direction.stall();
  }

  heal(): void {
    for (const direction of this.#directions) direction.heal();
  }

  end(how: "rst" | "fin"): void {
    for (const socket of this.#sockets) {
      if (how === "rst") socket.resetAndDestroy();
      else socket.end(() => socket.destroy());
    }
  }
}

/** What is on its way from one socket to the other. */
class Direction {
  slowness: Slowness = {};
  readonly #from: Socket;
  readonly #to: Socket;
  /** In the order in which it came; the end of it is an empty chunk. */
  readonly #held: { readonly chunk: Buffer; readonly dueAt: number }[] = [];
  #heldBytes = 0;
  #lastDueAt = 0;
  #isStalled = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on("data", (data) => this.#took(data as Buffer));
    from.on("end", () => this.#hold(Buffer.alloc(0)));
    to.on("drain", () => this.#pass());
  }

  stall(): void {
    this.#isStalled = true;
    this.#from.pause();
  }

  heal(): void {
    this.#isStalled = false;
    this.#pass();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#held.length = 0;
  }

  #took(data: Buffer): void {
    for (let at = 0; at < data.length; at += chunkBytes) this.#hold(data.subarray(at, at + chunkBytes));
    if (this.#heldBytes > mostHeldBytes) this.#from.pause();
    this.#pass();
  }

  #hold(chunk: Buffer): void {
    const { delayMs = 0, bytesPerSecond } = this.slowness;
    const begun = Math.max(performance.now() + delayMs, this.#lastDueAt);
    this.#lastDueAt = begun + (bytesPerSecond === undefined ? 0 : (chunk.length * 1000) / bytesPerSecond);
    this.#held.push({ chunk, dueAt: this.#lastDueAt });
    this.#heldBytes += chunk.length;
    if (chunk.length === 0) this.#pass();
  }

  /** Hands on what is due, and comes again for the rest. */
  #pass(): void {
    clearTimeout(this.#timer);
    while (!this.#isStalled && !this.#to.writableNeedDrain) {
      const [next] = this.#held;
      if (next === undefined) break;
      const waitMs = next.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#pass(), waitMs);
        break;
      }
      this.#held.shift();
      this.#heldBytes -= next.chunk.length;
      if (next.chunk.length === 0) this.#to.end();
      else this.#to.write(next.chunk);
    }
    if (!this.#isStalled && this.#heldBytes <= mostHeldBytes) this.#from.resume();
  }
}

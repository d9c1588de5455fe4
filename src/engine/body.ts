// One request's body while it arrives: put together within a size and a time; knows neither engine.

/**
 * Why there is no body. `too-large`: over `maxBodyBytes`. `too-slow`: not whole after `bodyTimeoutMs`. `aborted`: the client
 * left before its end, and nobody is there to be answered.
 */
export type BodyFault = "too-large" | "too-slow" | "aborted";

export class BodyError extends Error {
  readonly fault: BodyFault;

  constructor(fault: BodyFault) {
    super(`the request's body is ${fault}`);
    this.name = "BodyError";
    this.fault = fault;
  }
}

export interface BodyLimits {
  /** Largest request body that somebody gets to read. */
  readonly maxBodyBytes: number;
  /** How long a body may take, counted from when it is asked for. */
  readonly bodyTimeoutMs: number;
}

/**
 * Up to so many times the limit an upload that is too large is read to its end, and thrown away: a client that writes before
 * it reads would find its connection reset otherwise, and the answer gone with it.
 */
const politeFactor = 2;

export class BodyCollector {
  /** The whole body, or a BodyError. */
  readonly whole: Promise<Uint8Array>;
  readonly #limits: BodyLimits;
  readonly #deadline: ReturnType<typeof setTimeout>;
  #resolve!: (body: Uint8Array) => void;
  #reject!: (error: BodyError) => void;
  #chunks: Uint8Array[] = [];
  #bytes = 0;
  #isSettled = false;

  /** `announcedBytes`: what the request says of its length, if it does. */
  constructor(limits: BodyLimits, announcedBytes: number | undefined) {
    this.#limits = limits;
    this.whole = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // A handler that answers without waiting for the body it asked for is allowed to.
    this.whole.catch(() => undefined);
    this.#deadline = setTimeout(() => this.fail("too-slow"), limits.bodyTimeoutMs);
    if (announcedBytes !== undefined && announcedBytes > this.#mostRead) this.fail("too-large");
  }

  /** Whether what still arrives is of no use to anybody. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Takes the next chunk, which from now on is nobody else's. */
  add(chunk: Uint8Array): void {
    if (this.#isSettled) return;
    this.#bytes += chunk.length;
    if (this.#bytes <= this.#limits.maxBodyBytes) this.#chunks.push(chunk);
    else this.#chunks = [];
    if (this.#bytes > this.#mostRead) this.fail("too-large");
  }

  end(): void {
    if (this.#bytes > this.#limits.maxBodyBytes) {
      this.fail("too-large");
      return;
    }
    const [first = new Uint8Array(0)] = this.#chunks;
    const body = this.#chunks.length > 1 ? Buffer.concat(this.#chunks) : first;
    this.#settle(() => this.#resolve(body));
  }

  fail(fault: BodyFault): void {
    this.#settle(() => this.#reject(new BodyError(fault)));
  }

  get #mostRead(): number {
    return politeFactor * this.#limits.maxBodyBytes;
  }

  #settle(settle: () => void): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    this.#chunks = [];
    clearTimeout(this.#deadline);
    settle();
  }
}

/** The body's length as the request announces it. Undefined where it does not, as in a chunked one. */
export function announcedLength(headers: ReadonlyMap<string, string>): number | undefined {
  const length = headers.get("content-length");
  return length === undefined ? undefined : Number(length);
}

/** Why a body that is asked for later, or twice, cannot be had any more. */
export function bodyIsGone(): Error {
  return new Error("a request's body is read once, and within the call of `http` itself");
}

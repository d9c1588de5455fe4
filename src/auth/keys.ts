// The keys that tokens are verified with, kept current: re-read in time, on demand, and never lost to an outage.
// Knows neither tokens nor where the document comes from.

import { FanwireError } from "../errors.ts";
import type { Log } from "../log.ts";
import type { ReadDocument } from "./key-documents.ts";
import { type KeyHint, type KeySet, parseKeySet } from "./key-set.ts";

export interface KeysOptions {
  readonly read: ReadDocument;
  /** How the log names the document. */
  readonly name: string;
  /** After this time the document is read again, in the background. */
  readonly refreshMs: number;
  /** Least time between two reads that tokens with an unknown key can cause. */
  readonly cooldownMs: number;
  readonly log: Log;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
}

/** After a failure the next attempt comes this much later; the pause doubles up to the cool-down. */
const firstRetryMs = 1000;

export class Keys {
  readonly #options: KeysOptions;
  /** The last good ones: an outage, or garbage, takes nothing away. */
  #set: KeySet | undefined;
  #text: string | undefined;
  #reading: Promise<void> | undefined;
  /** Reads in a row that brought nothing, and why the last one did not. */
  #failures = 0;
  #failure: Error | undefined;
  /** Before this moment no token causes a read. */
  #againAtMs = Number.NEGATIVE_INFINITY;
  /** At this moment the document is read without being asked for. */
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: KeysOptions) {
    this.#options = options;
  }

  /** Whether there are keys at all. */
  get areThere(): boolean {
    return this.#set !== undefined;
  }

  /** Reads the document for the first time. Rejects, with the reason, where it cannot be used. */
  async start(): Promise<void> {
    await this.#readOnce();
    if (!this.#set) throw this.#failure!;
  }

  /** Now and then, about once a second. Resolves once the read that was due, if one was, has ended; never rejects. */
  async tick(): Promise<void> {
    if (this.#options.now() >= this.#dueAtMs) await this.#readOnce();
  }

  /**
   * The key of a token. One that is not known is looked for in a newer document first, which all who wait share.
   * Rejects with FanwireError `unauthorized` where a document read within the cool-down does not have it, and with
   * `unavailable` where none can be had.
   */
  async find(hint: KeyHint): Promise<CryptoKey> {
    const known = this.#set?.find(hint);
    if (known) return known;
    if (this.#reading || this.#options.now() >= this.#againAtMs) await this.#readOnce();
    const found = this.#set?.find(hint);
    if (found) return found;
    if (this.#failures > 0) {
      throw new FanwireError(
        "unavailable",
        "The keys to verify this token with cannot be had at the moment.",
      );
    }
    throw new FanwireError("unauthorized", "The token is signed with a key that is not ours.");
  }

  #readOnce(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    const { read, now, refreshMs, cooldownMs } = this.#options;
    // What the document says is true of the moment at which it was asked for, at the latest.
    const askedAtMs = now();
    try {
      const text = await read();
      if (text !== this.#text) await this.#adopt(text);
      this.#failures = 0;
      this.#againAtMs = askedAtMs + cooldownMs;
      this.#dueAtMs = askedAtMs + refreshMs;
    } catch (error) {
      this.#noteFailure(error as Error);
      const pauseMs = Math.min(cooldownMs, firstRetryMs * 2 ** (this.#failures - 1));
      this.#againAtMs = now() + pauseMs;
      this.#dueAtMs = this.#againAtMs;
    }
  }

  async #adopt(text: string): Promise<void> {
    const set = await parseKeySet(text);
    this.#set = set;
    this.#text = text;
    const { log, name } = this.#options;
    log.info("keys", { from: name, kids: set.kids.map((kid) => kid ?? null) });
    if (set.ignored.length > 0) log.warn("keys-ignored", { from: name, keys: set.ignored });
  }

  #noteFailure(failure: Error): void {
    this.#failures += 1;
    this.#failure = failure;
    const { log, name } = this.#options;
    const kept = this.#set?.kids.length ?? 0;
    log.warn("keys-unavailable", { from: name, reason: failure.message, failures: this.#failures, kept });
  }
}

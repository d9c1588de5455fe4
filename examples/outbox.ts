// The outbox pattern: what is stored is also published, whenever the process dies; knows nothing of connections.

import type { Database } from "bun:sqlite";

export interface ChatMessage {
  /** Chosen by the sender or the server; the same id is never stored, nor published, twice. */
  readonly id: string;
  readonly room: string;
  readonly userId: string;
  readonly text: string;
  /** Unix milliseconds. */
  readonly timestamp: number;
}

/** Publishes one message and resolves once that is acknowledged. Called again with the same message after a failure. */
export type Publish = (message: ChatMessage) => Promise<unknown>;

/**
 * A message is stored together with the order to publish it, in one transaction, so neither exists without the other. The
 * relay carries the orders out in the order of the store, one at a time, and strikes each out only when its publish is
 * acknowledged. Dying in between leaves the order standing: it is carried out again after the start. Publishing twice is
 * made harmless by the message's id as idempotency key; losing would have no such remedy.
 */
export class Outbox {
  readonly #database: Database;
  readonly #publish: Publish;
  readonly #retryMs: number;
  #relaying = false;
  #retry: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(database: Database, publish: Publish, retryMs = 1_000) {
    this.#database = database;
    this.#publish = publish;
    this.#retryMs = retryMs;
    // With a write-ahead log, `FULL` makes each commit survive a power cut; the default would only survive a crash.
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = FULL");
    database.run(`CREATE TABLE IF NOT EXISTS messages (
      id TEXT PRIMARY KEY, room TEXT NOT NULL, userId TEXT NOT NULL, text TEXT NOT NULL, timestamp INTEGER NOT NULL
    ) STRICT`);
    database.run(`CREATE TABLE IF NOT EXISTS outbox (
      position INTEGER PRIMARY KEY AUTOINCREMENT, messageId TEXT NOT NULL UNIQUE REFERENCES messages (id)
    ) STRICT`);
  }

  /** Stores the message and the order to publish it. False: a message with this id is there already, nothing was done. */
  store(message: ChatMessage): boolean {
    const { id, room, userId, text, timestamp } = message;
    const stored = this.#database.transaction(() => {
      const { changes } = this.#database
        .query("INSERT OR IGNORE INTO messages (id, room, userId, text, timestamp) VALUES (?, ?, ?, ?, ?)")
        .run(id, room, userId, text, timestamp);
      if (changes > 0) this.#database.query("INSERT INTO outbox (messageId) VALUES (?)").run(id);
      return changes > 0;
    })();
    void this.relay();
    return stored;
  }

  find(id: string): ChatMessage | null {
    return this.#database.query<ChatMessage, [string]>("SELECT * FROM messages WHERE id = ?").get(id);
  }

  /** Carries out what is outstanding. One run at a time keeps the order; after a failure it runs again by itself. */
  async relay(): Promise<void> {
    if (this.#relaying) return;
    this.#relaying = true;
    clearTimeout(this.#retry);
    try {
      for (let next = this.#next(); next && !this.#closed; next = this.#next()) {
        await this.#publish(next);
        if (!this.#closed) this.#database.query("DELETE FROM outbox WHERE messageId = ?").run(next.id);
      }
    } catch (error) {
      console.error(`publishing failed, trying again in ${this.#retryMs} ms: ${error}`);
      if (!this.#closed) this.#retry = setTimeout(() => void this.relay(), this.#retryMs);
    } finally {
      this.#relaying = false;
    }
  }

  /** Stops the relay; what is outstanding is carried out after the next start. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
  }

  #next(): ChatMessage | null {
    return this.#database
      .query<ChatMessage, []>(
        `SELECT messages.* FROM outbox JOIN messages ON messages.id = outbox.messageId
         ORDER BY outbox.position LIMIT 1`,
      )
      .get();
  }
}

// The names of keys and channels in Redis, all under one prefix. Knows no command.

export class StoreKeys {
  readonly #prefix: string;
  readonly #channels: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.#channels = `${prefix}t:`;
  }

  meta(topic: string): string {
    return `${this.#prefix}m:${topic}`;
  }

  /** Of mode `stream`: an entry per batch. */
  stream(topic: string): string {
    return `${this.#prefix}h:${topic}`;
  }

  /** Of mode `stream`: the last offset, bytes and oldest timestamp of each entry of the stream. */
  ledger(topic: string): string {
    return `${this.#prefix}k:${topic}`;
  }

  /** Of mode `latest`: each key's newest publication, its offset, and which are removals. */
  values(topic: string): string {
    return `${this.#prefix}v:${topic}`;
  }

  offsets(topic: string): string {
    return `${this.#prefix}o:${topic}`;
  }

  removals(topic: string): string {
    return `${this.#prefix}g:${topic}`;
  }

  /** What the keys for idempotency keys begin with. */
  idempotency(topic: string): string {
    return `${this.#prefix}i:${topic}:`;
  }

  channel(topic: string): string {
    return this.#channels + topic;
  }

  /** The topic of a channel, or undefined for a channel that is not a topic's. */
  topicOf(channel: string): string | undefined {
    return channel.startsWith(this.#channels) ? channel.slice(this.#channels.length) : undefined;
  }

  get control(): string {
    return `${this.#prefix}c`;
  }

  probe(instance: string): string {
    return `${this.#prefix}q:${instance}`;
  }

  lease(instance: string): string {
    return `${this.#prefix}l:${instance}`;
  }

  get instances(): string {
    return `${this.#prefix}L`;
  }

  registry(instance: string): string {
    return `${this.#prefix}n:${instance}`;
  }

  get id(): string {
    return `${this.#prefix}id`;
  }
}

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

  /** Of presence: by instance, the revision of what it told of a topic. */
  revisions(topic: string): string {
    return `${this.#prefix}p:${topic}`;
  }

  /** An instance's sessions in a topic. Its name comes last, for it may have any colon. */
  sessions(instance: string, topic: string): string {
    return `${this.sessionKeys}${instance}:${topic}`;
  }

  /** What the keys of sessions begin with. */
  get sessionKeys(): string {
    return `${this.#prefix}pm:`;
  }

  /** Topics in which an instance has sessions. */
  sessionTopics(instance: string): string {
    return `${this.#prefix}P:${instance}`;
  }

  /** An instance's sessions in a topic while they are told anew, page by page, under one fence. */
  sessionPages(instance: string, fence: number, topic: string): string {
    return `${this.#prefix}ps:${instance}:${fence}:${topic}`;
  }

  get id(): string {
    return `${this.#prefix}id`;
  }
}

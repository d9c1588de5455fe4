// A reader of server-sent events for tests, by the rules of the HTML standard, over a connection that can stop reading.

import { StreamReader } from "./http-stream.ts";
import type { Frame } from "./peer.ts";

export interface ReaderOptions {
  readonly topics?: readonly string[];
  readonly token?: string;
  readonly lastEventId?: string;
  /** More of the query, without `&`. */
  readonly query?: string;
  /** Header lines. */
  readonly headers?: readonly string[];
}

const open = new Set<EventReader>();

/** Drops every connection opened so far: for `afterEach`. */
export function dropEventReaders(): void {
  for (const reader of open) reader.raw.destroy();
  open.clear();
}

export class EventReader {
  readonly raw: StreamReader;
  /** What a browser would send back. */
  lastEventId = "";
  /** How long a browser would wait. */
  retryMs: number | undefined;
  comments = 0;

  private constructor(raw: StreamReader) {
    this.raw = raw;
  }

  static async open(port: number, options: ReaderOptions = {}): Promise<EventReader> {
    const { topics = [], token, lastEventId, query, headers = [] } = options;
    const words = topics.map((topic) => `topic=${encodeURIComponent(topic)}`);
    if (query !== undefined) words.push(query);
    const lines = [...headers];
    if (token !== undefined) lines.push(`Authorization: Bearer ${token}`);
    if (lastEventId !== undefined) lines.push(`Last-Event-ID: ${lastEventId}`);
    const reader = new EventReader(await StreamReader.open(port, `/sse?${words.join("&")}`, ...lines));
    open.add(reader);
    return reader;
  }

  /** Opens a stream and waits for its first block, which only says where the client is. */
  static async connect(port: number, options: ReaderOptions = {}): Promise<EventReader> {
    const reader = await EventReader.open(port, options);
    const { status } = await reader.raw.head();
    if (status !== 200) throw new Error(`status ${status}: ${await reader.raw.rest()}`);
    const first = await reader.raw.take("\n\n");
    if (!/^id: .*\n\n$/.test(first)) throw new Error(`the first block is ${first}`);
    reader.#block(first);
    return reader;
  }

  /** The next event's frame; blocks without data are taken on the way. */
  async next(deadlineMs?: number): Promise<Frame> {
    for (;;) {
      const frame = this.#block(await this.raw.take("\n\n", deadlineMs));
      if (frame) return frame;
    }
  }

  async take(count: number): Promise<Frame[]> {
    const frames: Frame[] = [];
    while (frames.length < count) frames.push(await this.next());
    return frames;
  }

  /** All that comes until the answer is over. */
  async rest(deadlineMs?: number): Promise<Frame[]> {
    const text = await this.raw.rest(deadlineMs);
    return text
      .split(/(?<=\n\n)/)
      .map((block) => this.#block(block))
      .filter((frame) => frame !== undefined);
  }

  /** One block: a frame where it has data. */
  #block(block: string): Frame | undefined {
    if (!block.endsWith("\n\n")) return undefined;
    let data: string | undefined;
    for (const line of block.split("\n")) {
      const [, field = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
      if (line.startsWith(":")) this.comments += 1;
      else if (field === "id") this.lastEventId = value;
      else if (field === "retry") this.retryMs = Number(value);
      else if (field === "data") data = data === undefined ? value : `${data}\n${value}`;
      else if (field !== "") throw new Error(`an unknown field: ${line}`);
    }
    return data === undefined ? undefined : JSON.parse(data);
  }
}

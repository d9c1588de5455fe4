// A client of a fleet that only listens, to one topic by server-sent events, and comes back as a browser would, to any node. Runs in
// any runtime.

import type { Position } from "../../src/client/client.ts";
import type { Ledger } from "./ledger.ts";
import type { MemberPlan, MemberReport, Outage } from "./member.ts";
import { Notes } from "./written.ts";

/** What a browser would wait, more or less, where the server has not said how long. */
const returnMs = 1_000;

interface Frame {
  readonly type: string;
  readonly offset: number;
  readonly epoch: string;
  readonly data: { readonly name: string; readonly number: number };
}

export class Reader {
  readonly #plan: MemberPlan;
  readonly #topic: string;
  readonly #ledger: Ledger;
  readonly #notes = new Notes();
  readonly #outages: Outage[] = [];
  readonly #end = new AbortController();
  #deliveries = 0;
  #tries = 0;
  #id = "";
  #position: Position | undefined;
  #retryMs = returnMs;
  #isOpen = false;

  constructor(plan: MemberPlan, ledger: Ledger) {
    this.#plan = plan;
    this.#topic = plan.topics[0]!;
    this.#ledger = ledger;
    void this.#live();
  }

  get isCurrent(): boolean {
    return this.#isOpen;
  }

  hasReached(topic: string, { epoch, offset }: Position): boolean {
    if (topic !== this.#topic) return true;
    return this.#position?.epoch === epoch && this.#position.offset >= offset;
  }

  report(): MemberReport {
    return {
      name: this.#plan.name,
      topics: { [this.#topic]: this.#notes },
      acknowledged: [],
      refusals: [],
      outages: this.#outages,
      deliveries: this.#deliveries,
      late: [],
    };
  }

  close(): void {
    this.#end.abort();
  }

  async #live(): Promise<void> {
    while (!this.#end.signal.aborted) {
      this.#retryMs = returnMs;
      try {
        await this.#read();
      } catch {
        // Refused, cut, or ended by us.
      }
      if (this.#isOpen) this.#outages.push({ lostAtMs: Date.now() });
      this.#isOpen = false;
      await new Promise((resolve) => setTimeout(resolve, this.#retryMs * Math.random()));
    }
  }

  async #read(): Promise<void> {
    const { ports, token, name } = this.#plan;
    const port = ports[this.#tries++ % ports.length];
    const url = `http://127.0.0.1:${port}/sse?join=none&topic=${encodeURIComponent(this.#topic)}`;
    const headers = { authorization: `Bearer ${token}`, ...(this.#id && { "last-event-id": this.#id }) };
    const response = await fetch(url, { headers, signal: this.#end.signal });
    if (response.status !== 200) {
      this.#ledger.complaints.push(`${name} was answered ${response.status}`);
      return;
    }
    let text = "";
    const decoder = new TextDecoder();
    for await (const part of response.body!) {
      const blocks = (text + decoder.decode(part, { stream: true })).split("\n\n");
      text = blocks.pop()!;
      for (const block of blocks) this.#block(block);
    }
  }

  #block(block: string): void {
    let frame: Frame | undefined;
    for (const line of block.split("\n")) {
      if (line.startsWith("id: ")) this.#moved(line.slice(4));
      else if (line.startsWith("data: ")) frame = JSON.parse(line.slice(6));
      else if (line.startsWith("retry: ")) this.#retryMs = Number(line.slice(7));
    }
    if (frame?.type === "message") this.#message(frame);
    else if (frame?.type === "reset") this.#notes.reset(frame);
  }

  /** An id is nobody's business; but of a stream of one topic it says, after its name, the epoch and in base 36 the offset. */
  #moved(id: string): void {
    const [, epoch = "", offset = ""] = id.split(":");
    if (offset === "") return;
    this.#id = id;
    this.#position = { epoch: decodeURIComponent(epoch), offset: Number.parseInt(offset, 36) };
    this.#notes.subscribed(this.#position);
    if (this.#isOpen) return;
    this.#isOpen = true;
    const last = this.#outages.at(-1);
    if (last) last.backAtMs = Date.now();
  }

  #message({ offset, data: { name, number } }: Frame): void {
    const { epoch } = this.#position!;
    this.#deliveries += 1;
    this.#notes.message({ epoch, offset });
    this.#ledger.note(this.#topic, `${epoch}:${offset}`, `${name} ${number}`, this.#plan.name);
  }
}

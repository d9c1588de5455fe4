// The members of a fleet that live in one process, and what a soak may ask of them. Runs in any runtime, a browser's page included.

import type { createClient, Position } from "../../src/client/client.ts";
import { Ledger } from "./ledger.ts";
import { Member, type MemberPlan, type MemberReport } from "./member.ts";
import { Reader } from "./reader.ts";

export interface GroupPlan {
  readonly members: readonly MemberPlan[];
  /** Those who only listen, by server-sent events. */
  readonly readers: readonly MemberPlan[];
  /** How often each member publishes, in milliseconds; 0: never. */
  readonly publishEveryMs: number;
}

export interface GroupReport {
  readonly members: readonly MemberReport[];
  /** By topic: `epoch:offset` and the publication that is there. */
  readonly seen: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly complaints: readonly string[];
}

/** By topic. */
export type Positions = Readonly<Record<string, Position>>;

const lookEveryMs = 20;
/** So many at a time, one look apart: the storm is to come later. */
const openedAtOnce = 25;

export class Group {
  readonly #members: Member[] = [];
  readonly #readers: Reader[] = [];
  readonly #opened: Promise<void>;
  readonly #plan: GroupPlan;
  readonly #ledger = new Ledger();
  readonly #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(create: typeof createClient, plan: GroupPlan) {
    this.#plan = plan;
    this.#opened = this.#open(create);
  }

  /** Resolves to how many members are subscribed and up to date, once all are or the time is over. */
  async current(withinMs: number): Promise<number> {
    await this.#opened;
    return this.#count(({ isCurrent }) => isCurrent, withinMs);
  }

  /** Begins to publish, each member at its own moment. */
  begin(): void {
    const { publishEveryMs } = this.#plan;
    if (publishEveryMs === 0) return;
    this.#members.forEach((member, index) => {
      const publish = () => {
        this.#timers[index] = setTimeout(publish, publishEveryMs);
        member.publishNext();
      };
      this.#timers[index] = setTimeout(publish, (publishEveryMs * index) / this.#members.length);
    });
  }

  /** Publishes no more; resolves once everything is acknowledged or refused. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer);
    await Promise.all(this.#members.map((member) => member.settled()));
  }

  /** A last publication to each of these topics, by the first member. */
  async finish(topics: readonly string[]): Promise<Positions> {
    const [first] = this.#members;
    const entries = topics.map(async (topic) => [topic, await first!.publish(topic)] as const);
    return Object.fromEntries(await Promise.all(entries)) as Positions;
  }

  /** Resolves to how many members have got that far, once all have or the time is over. */
  reached(positions: Positions, withinMs: number): Promise<number> {
    const wanted = Object.entries(positions);
    return this.#count(
      (member) => wanted.every(([topic, position]) => member.hasReached(topic, position)),
      withinMs,
    );
  }

  report(): GroupReport {
    return {
      members: this.#everybody.map((member) => member.report()),
      seen: this.#ledger.seen,
      complaints: this.#ledger.complaints.slice(0, 20),
    };
  }

  close(): void {
    for (const member of this.#everybody) member.close();
  }

  get #everybody(): readonly (Member | Reader)[] {
    return [...this.#members, ...this.#readers];
  }

  async #open(create: typeof createClient): Promise<void> {
    const { members, readers } = this.#plan;
    this.#readers.push(...readers.map((reader) => new Reader(reader, this.#ledger)));
    for (let at = 0; at < members.length; at += openedAtOnce) {
      const next = members.slice(at, at + openedAtOnce);
      this.#members.push(...next.map((member) => new Member(create, member, this.#ledger)));
      await pause();
    }
  }

  async #count(isSo: (member: Member | Reader) => boolean, withinMs: number): Promise<number> {
    const endMs = Date.now() + withinMs;
    while (this.#everybody.some((member) => !isSo(member)) && Date.now() < endMs) {
      await pause();
    }
    return this.#everybody.filter(isSo).length;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, lookEveryMs));
}

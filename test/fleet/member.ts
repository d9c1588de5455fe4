// One client of a fleet as an application has it: listens, publishes, and writes down what it is told. Runs in any runtime.

import type {
  Client,
  ClientOptions,
  ClientState,
  createClient,
  Listening,
  Position,
} from "../../src/client/client.ts";
import type { Ledger } from "./ledger.ts";
import { Notes, type TopicNotes } from "./written.ts";

export interface MemberPlan {
  readonly name: string;
  readonly token: string;
  /** Of the nodes or proxies it may go to, tried in turn, as a balancer would send it. */
  readonly ports: readonly number[];
  /** It publishes to them in turn. */
  readonly topics: readonly string[];
  /** How long it waits for a sign of life and for a greeting; default: the client's own. */
  readonly patience?: Pick<ClientOptions, "heartbeatMs" | "heartbeatTimeoutMs" | "connectTimeoutMs">;
}

/** From the loss of a connection to the moment everything is subscribed again and up to date. In Unix milliseconds. */
export interface Outage {
  readonly lostAtMs: number;
  backAtMs?: number;
}

/** A delivery that was late: when the server took the publication and when it came, in Unix milliseconds of one machine. */
export type Late = readonly [publishedAtMs: number, cameAtMs: number];

export interface MemberReport {
  readonly name: string;
  readonly topics: Readonly<Record<string, TopicNotes>>;
  /** `topic epoch:offset` of each publication that was acknowledged, by number. */
  readonly acknowledged: readonly (readonly [number: number, place: string])[];
  readonly refusals: readonly string[];
  readonly outages: readonly Outage[];
  readonly deliveries: number;
  readonly late: readonly Late[];
}

interface Data {
  readonly name: string;
  readonly number: number;
}

interface Followed {
  readonly listening: Listening;
  readonly notes: Notes;
  /** What it has to reach to be up to date; undefined while it is not subscribed. */
  owed: Position | undefined;
}

/** What is published waits through all faults: nothing may end undecided. Bounded by how long the server remembers keys. */
const publishTimeoutMs = 240_000;
/** Below this a delivery is not late, whatever became of the connection. */
export const lateMs = 100;

export class Member {
  readonly #client: Client;
  readonly #plan: MemberPlan;
  readonly #ledger: Ledger;
  readonly #followed = new Map<string, Followed>();
  readonly #acknowledged: [number, string][] = [];
  readonly #refusals: string[] = [];
  readonly #outages: Outage[] = [];
  readonly #late: Late[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #deliveries = 0;
  #published = 0;
  #tries = 0;

  constructor(create: typeof createClient, plan: MemberPlan, ledger: Ledger) {
    this.#plan = plan;
    this.#ledger = ledger;
    this.#client = create("ws://127.0.0.1/ws", {
      ...plan.patience,
      publishTimeoutMs,
      token: () => plan.token,
      WebSocket: this.#dialler(),
    });
    this.#client.on("state", (state) => this.#became(state));
    for (const topic of plan.topics) this.#follow(topic);
  }

  get isCurrent(): boolean {
    return [...this.#followed.values()].every(({ owed, listening }) => owed && hasReached(listening, owed));
  }

  hasReached(topic: string, position: Position): boolean {
    const followed = this.#followed.get(topic);
    return followed === undefined || hasReached(followed.listening, position);
  }

  /** Publishes the next one, to the next of its topics. Resolves to where that is, or undefined where it was refused. */
  async publish(
    topic = this.#plan.topics[this.#published % this.#plan.topics.length]!,
  ): Promise<Position | undefined> {
    this.#published += 1;
    const number = this.#published;
    const data: Data = { name: this.#plan.name, number };
    try {
      const position = (await this.#client.publish(topic, data))!;
      this.#acknowledged.push([number, `${topic} ${position.epoch}:${position.offset}`]);
      return position;
    } catch (error) {
      this.#refusals.push(`${this.#plan.name} ${number}: ${(error as { code?: string }).code ?? error}`);
      return undefined;
    }
  }

  /** The same for whoever does not wait: `settled` does. */
  publishNext(): void {
    const work: Promise<void> = this.publish().then(() => {
      this.#underWay.delete(work);
    });
    this.#underWay.add(work);
  }

  /** Resolves once each publication is acknowledged or refused. */
  async settled(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  report(): MemberReport {
    return {
      name: this.#plan.name,
      topics: Object.fromEntries([...this.#followed].map(([topic, { notes }]) => [topic, notes])),
      acknowledged: this.#acknowledged,
      refusals: this.#refusals,
      outages: this.#outages,
      deliveries: this.#deliveries,
      late: this.#late,
    };
  }

  close(): void {
    this.#client.close();
  }

  #follow(topic: string): void {
    const notes = new Notes();
    const listening = this.#client.subscribe(topic, {
      onMessage: ({ data, timestamp }) => this.#message(topic, data as Data, timestamp),
      onReset: (reset) => notes.reset(reset),
      onSubscribed: ({ position }) => {
        notes.subscribed(position!);
        followed.owed = position;
        this.#look();
      },
      onError: ({ code }) => this.#ledger.complaints.push(`${this.#plan.name} may not subscribe: ${code}`),
    });
    const followed: Followed = { listening, notes, owed: undefined };
    this.#followed.set(topic, followed);
  }

  #message(topic: string, { name, number }: Data, timestamp: number): void {
    const { listening, notes } = this.#followed.get(topic)!;
    const { epoch, offset } = listening.position!;
    this.#deliveries += 1;
    notes.message({ epoch, offset });
    const now = Date.now();
    if (now - timestamp >= lateMs) this.#late.push([timestamp, now]);
    this.#ledger.note(topic, `${epoch}:${offset}`, `${name} ${number}`, this.#plan.name);
    this.#look();
  }

  #became({ state }: ClientState): void {
    if (state !== "waiting" && state !== "closed") return;
    for (const followed of this.#followed.values()) followed.owed = undefined;
    const last = this.#outages.at(-1);
    // What is lost again before it was up to date is one outage.
    if (last === undefined ? this.#deliveries > 0 : last.backAtMs !== undefined) {
      this.#outages.push({ lostAtMs: Date.now() });
    }
  }

  #look(): void {
    const last = this.#outages.at(-1);
    if (last && last.backAtMs === undefined && this.isCurrent) last.backAtMs = Date.now();
  }

  /** A class as the client wants one, whose sockets go to one port after the other. */
  #dialler(): unknown {
    const next = () => this.#plan.ports[this.#tries++ % this.#plan.ports.length];
    return class extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url.replace("127.0.0.1", `127.0.0.1:${next()}`), protocols);
      }
    };
  }
}

function hasReached({ position }: Listening, { epoch, offset }: Position): boolean {
  return position !== undefined && position.epoch === epoch && position.offset >= offset;
}

// A whole fleet: clients in processes of several runtimes, from the first subscription to the last report. Knows nothing of what happens
// to them in between.

import { tokenFor } from "../support/token.ts";
import type { Crew, Runtime } from "./crew.ts";
import { BrowserCrew } from "./crew-browser.ts";
import { ProcessCrew } from "./crew-process.ts";
import type { GroupPlan, GroupReport } from "./group.ts";
import type { MemberPlan } from "./member.ts";

export interface FleetPlan {
  readonly clients: number;
  /** How many more only listen, by server-sent events; default: none. At most six to a browser, which opens no more to one port. */
  readonly readers?: number;
  /** The clients are dealt out to a process for each entry. */
  readonly runtimes: readonly Runtime[];
  readonly rooms: number;
  /** To how many of the rooms each client listens, and publishes. */
  readonly roomsPerClient: number;
  /** How often each client publishes; 0: never. */
  readonly publishEveryMs: number;
  /** Where a client may go. */
  readonly portsOf: (index: number) => readonly number[];
  readonly patience?: MemberPlan["patience"];
}

const joinWithinMs = 60_000;
const settleWithinMs = 60_000;

export class Fleet {
  readonly #crews: readonly Crew[];
  readonly #plan: FleetPlan;

  private constructor(plan: FleetPlan, crews: readonly Crew[]) {
    this.#plan = plan;
    this.#crews = crews;
  }

  /** Resolves once everybody is everywhere. */
  static async start(plan: FleetPlan): Promise<Fleet> {
    const everybody = Array.from({ length: sizeOf(plan) }, (_, index) => memberOf(plan, index));
    const members = everybody.slice(0, plan.clients);
    const readers = everybody.slice(plan.clients);
    const crews = plan.runtimes.map((runtime, at) => {
      const own = (all: readonly MemberPlan[]) =>
        all.filter((_, index) => index % plan.runtimes.length === at);
      return startCrew(runtime, {
        members: own(members),
        readers: own(readers),
        publishEveryMs: plan.publishEveryMs,
      });
    });
    const fleet = new Fleet(plan, await Promise.all(crews));
    try {
      const current = sum(await fleet.#all((crew) => crew.ask("current", joinWithinMs)));
      if (current < sizeOf(plan)) throw new Error(`only ${current} clients could subscribe`);
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Begins to publish. */
  async begin(): Promise<void> {
    await this.#all((crew) => crew.ask("begin"));
  }

  /** Ends the publishing, waits until everybody has everything or never will, and answers what they have written down. */
  async end(): Promise<{ readonly reports: readonly GroupReport[]; readonly stragglers: number }> {
    await this.#all((crew) => crew.ask("stop"));
    const topics = Array.from({ length: this.#plan.rooms }, (_, room) => `room:${room}`);
    const ends = await this.#crews[0]!.ask("finish", topics);
    const reached = sum(await this.#all((crew) => crew.ask("reached", ends, settleWithinMs)));
    return {
      reports: await this.#all((crew) => crew.ask("report")),
      stragglers: sizeOf(this.#plan) - reached,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#all((crew) => crew[Symbol.asyncDispose]());
  }

  #all<Answer>(ask: (crew: Crew) => PromiseLike<Answer>): Promise<Awaited<Answer>[]> {
    return Promise.all(this.#crews.map(ask));
  }
}

async function startCrew(runtime: Runtime, plan: GroupPlan): Promise<Crew> {
  return runtime === "Chromium" ? BrowserCrew.start(plan) : new ProcessCrew(runtime, plan);
}

function sizeOf({ clients, readers = 0 }: FleetPlan): number {
  return clients + readers;
}

function memberOf(plan: FleetPlan, index: number): MemberPlan {
  const { rooms, roomsPerClient, portsOf, patience } = plan;
  const name = index < plan.clients ? `client-${index}` : `reader-${index - plan.clients}`;
  const topics = Array.from({ length: roomsPerClient }, (_, at) => `room:${(index + at) % rooms}`);
  return { name, token: tokenFor(name), ports: portsOf(index), topics, ...(patience && { patience }) };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

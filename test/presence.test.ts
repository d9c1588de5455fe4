import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LocalPresence } from "../src/bridge/local-presence.ts";
import { MemberTable } from "../src/hub/presence.ts";
import { presenceAnswer } from "../src/requests/presence-answer.ts";
import { ModelNode } from "./support/model-node.ts";

const graceMs = 50;
const users = ["ann", "ben", "cat"];

/** What a user looks like to somebody who was told everything that happened. */
interface Known {
  sessions: Set<string>;
  vacantSinceMs: number;
}

type Step =
  | { do: "enter" | "exit"; user: number; device: number }
  | { do: "wait"; ms: number }
  | { do: "expire" };

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: device("enter") },
    { weight: 4, arbitrary: device("exit") },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.nat(40) }) },
    { weight: 2, arbitrary: fc.constant({ do: "expire" as const }) },
  ),
  { maxLength: 300, size: "max" },
);

function device<Kind extends "enter" | "exit">(kind: Kind) {
  return fc.record({ do: fc.constant(kind), user: fc.nat(users.length - 1), device: fc.nat(2) });
}

/** The table under test beside the simplest thing that knows the same. */
class Run {
  readonly #table = new MemberTable(graceMs);
  readonly #known = new Map<string, Known>();
  #now = 1_000_000;

  take(step: Step): void {
    if (step.do === "wait") this.#now += step.ms;
    else if (step.do === "expire") this.#expire();
    else if (step.do === "enter") this.#enter(users[step.user]!, `${step.user}.${step.device}`);
    else this.#exit(users[step.user]!, `${step.user}.${step.device}`);
    this.#check();
  }

  end(): void {
    for (const [userId, { sessions }] of this.#known) {
      for (const session of sessions) this.#exit(userId, session);
    }
    this.#now += graceMs;
    this.#expire();
    expect(this.#table.count).toBe(0);
    expect(this.#table.isWaiting).toBe(false);
  }

  #enter(userId: string, sessionId: string): void {
    const known = this.#known.get(userId);
    expect(this.#table.enter({ sessionId, userId })).toBe(known === undefined);
    if (known) known.sessions.add(sessionId);
    else this.#known.set(userId, { sessions: new Set([sessionId]), vacantSinceMs: 0 });
  }

  #exit(userId: string, sessionId: string): void {
    this.#table.exit(sessionId, this.#now);
    const known = this.#known.get(userId);
    if (!known?.sessions.delete(sessionId)) return;
    if (known.sessions.size === 0) known.vacantSinceMs = this.#now;
  }

  #expire(): void {
    const went: string[] = [];
    this.#table.expire(this.#now, ({ userId }) => {
      went.push(userId);
      expect(this.#table.count).toBe(this.#known.size - went.length);
    });
    const over = [...this.#known].filter(
      ([, { sessions, vacantSinceMs }]) => sessions.size === 0 && vacantSinceMs + graceMs <= this.#now,
    );
    expect(went.toSorted()).toEqual(over.map(([userId]) => userId).toSorted());
    for (const userId of went) this.#known.delete(userId);
  }

  #check(): void {
    const members = [...this.#known].map(([userId, { sessions }]) => ({ userId, sessions: sessions.size }));
    expect(this.#table.page(99)).toEqual({ count: members.length, members });
    expect(this.#table.page(1)).toEqual({ count: members.length, members: members.slice(0, 1) });
    expect(this.#table.isWaiting).toBe(members.some(({ sessions }) => sessions === 0));
  }
}

test("whatever sessions come, go and return, each stay of a user begins once and ends once, the grace after its last session", () => {
  fc.assert(
    fc.property(steps, (script) => {
      const run = new Run();
      for (const step of script) run.take(step);
      run.end();
    }),
    { numRuns: 300 },
  );
});

describe("a member table", () => {
  test("tells of a user what the newest session brought", () => {
    const table = new MemberTable(graceMs);
    table.enter({ sessionId: "1", userId: "ann", info: { name: "Ann" } });
    table.enter({ sessionId: "2", userId: "ann", info: { name: "Annie" } });
    expect(table.page(9).members).toEqual([{ userId: "ann", sessions: 2, info: { name: "Annie" } }]);
    table.enter({ sessionId: "3", userId: "ann" });
    expect(table.page(9).members).toEqual([{ userId: "ann", sessions: 3 }]);
  });

  test("counts the grace from the last session that went, not from the first", () => {
    const table = new MemberTable(graceMs);
    const went: string[] = [];
    const expireAt = (now: number) => table.expire(now, ({ userId }) => went.push(userId));
    table.enter({ sessionId: "1", userId: "ann" });
    table.exit("1", 0);
    table.enter({ sessionId: "2", userId: "ann" });
    table.exit("2", 40);
    expireAt(89);
    expect(went).toEqual([]);
    expireAt(90);
    expect(went).toEqual(["ann"]);
  });
});

describe("presence in memory", () => {
  const member = (userId: string) => ({ sessionId: userId, userId });

  test("ends each stay by itself, also of who went while it waited for another, and forgets empty topics", async () => {
    const went: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const presence = new LocalPresence(
      { graceMs: 100, now: Date.now },
      {
        came: () => undefined,
        went: (topic, { userId }) => {
          went.push(`${userId} of ${topic}`);
          if (went.length === 2) resolve();
        },
      },
    );
    presence.enter("room:1", member("ann"));
    presence.enter("room:2", member("ben"));
    presence.exit("room:1", "ann");
    await new Promise((go) => setTimeout(go, 50));
    presence.exit("room:2", "ben");
    expect(presence.topicCount).toBe(2);
    await promise;
    expect(went).toEqual(["ann of room:1", "ben of room:2"]);
    presence.expire();
    expect(presence.topicCount).toBe(0);
    expect(presence.isWaiting).toBe(false);
  });
});

describe("an answer to presence", () => {
  function crowd(infoBytes: number) {
    const { bridge, limits } = new ModelNode(1, { maxPresenceMembers: 10, recoveryChunkBytes: 1024 });
    const info = { about: "x".repeat(infoBytes) };
    for (let user = 0; user < 20; user++) {
      bridge.enter("room:1", { sessionId: `${user}`, userId: `user-${user}`, info });
    }
    return presenceAnswer(bridge, "room:1", limits);
  }

  test.each([
    [0, 10],
    [200, 4],
    [2000, 1],
  ])("with %d bytes said of each user lists %d of them, and counts all", async (infoBytes, listed) => {
    const { count, members } = await crowd(infoBytes);
    expect(count).toBe(20);
    expect(members).toHaveLength(listed);
  });
});

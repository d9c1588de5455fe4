import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { msgpack } from "../src/wire/msgpack.ts";
import { ModelNode } from "./support/model-node.ts";
import { Watcher } from "./support/watcher.ts";

/** Streams of up to three members, volatile topics with a flush window, values with rates: all tell who comes and goes. */
const [lobby, arena, prices] = ["lobby:1", "arena:1", "prices:1"];

class Party {
  readonly node = new ModelNode(100);

  async join(userId: string, topic = lobby, format?: typeof msgpack): Promise<Watcher> {
    const watcher = new Watcher(this.node, userId, format);
    watcher.subscribe(topic);
    await this.settle();
    return watcher;
  }

  /** Lets everything be told that there is to tell. */
  async settle(ms = 100): Promise<void> {
    await this.node.settle();
    this.node.wait(ms);
    await this.node.settle();
  }

  /** The bridge answers at once again, also those who wait. */
  heal(): void {
    this.node.bridge.isSlow = false;
    this.node.bridge.release();
  }

  async count(topic = lobby): Promise<number> {
    return (await this.node.bridge.present(topic, 100)).count;
  }
}

function newsOf(watcher: Watcher): string[] {
  watcher.look();
  return watcher.news;
}

describe("who comes and who goes", () => {
  test("is told to everybody in the topic, once per user however many devices", async () => {
    const party = new Party();
    const ann = await party.join("ann");
    const devices = [await party.join("ben"), await party.join("ben")];
    devices[0]!.disconnect();
    await party.settle(6000);
    expect(await party.count()).toBe(2);
    devices[1]!.unsubscribe(lobby);
    await party.settle(4000);
    expect(newsOf(ann)).toEqual(["join ann of 1", "join ben of 2"]);
    await party.settle(1000);
    expect(newsOf(ann)).toEqual(["join ann of 1", "join ben of 2", "leave ben of 1"]);
    expect(newsOf(devices[0]!)).toEqual(["join ben of 2"]);
  });

  test("is not told of who returns within the grace, on another device, or subscribes again", async () => {
    const party = new Party();
    const ann = await party.join("ann");
    const ben = await party.join("ben");
    ben.disconnect();
    await party.settle(4000);
    const back = await party.join("ben");
    await party.settle(6000);
    back.subscribe(lobby);
    await party.settle(6000);
    back.subscribe(lobby, { epoch: "other", offset: 1 });
    await party.settle(6000);
    expect(newsOf(ann)).toEqual(["join ann of 1", "join ben of 2"]);
    expect(await party.count()).toBe(2);
  });

  test("is told while the topic has no more users than its bound; then the count tells", async () => {
    const party = new Party();
    const ann = await party.join("ann");
    for (const user of ["ben", "cat"]) await party.join(user);
    const more = [await party.join("dan"), await party.join("eve")];
    const three = ["join ann of 1", "join ben of 2", "join cat of 3"];
    expect(newsOf(ann)).toEqual(three);
    for (const watcher of more) {
      watcher.disconnect();
      await party.settle(6000);
    }
    expect(newsOf(ann)).toEqual([...three, "leave eve of 3"]);
    expect(await party.count()).toBe(3);
  });

  test("is nobody's news in a namespace that did not ask for it", async () => {
    const party = new Party();
    const ann = await party.join("ann", "room:1");
    (await party.join("ben", "room:1")).disconnect();
    await party.settle(6000);
    expect(newsOf(ann)).toEqual([]);
    expect(await party.count("room:1")).toBe(1);
    await party.join("ann", "ticker:1");
    expect(await party.count("ticker:1")).toBe(0);
  });

  test("of many at once costs one round, encoded once per format", async () => {
    const party = new Party();
    const ann = await party.join("ann", arena);
    const ben = await party.join("ben", arena, msgpack);
    await party.settle();
    const before = party.node.engine.publishes;
    const many = Array.from({ length: 20 }, (_, i) => new Watcher(party.node, `user-${i}`));
    for (const watcher of many) watcher.subscribe(arena);
    expect(party.node.engine.publishes).toBe(before);
    await party.settle();
    expect(party.node.engine.publishes).toBe(before + 2 * many.length);
    for (const watcher of [ann, ben]) expect(newsOf(watcher).at(-1)).toBe("join user-19 of 22");
    expect(newsOf(ben)).toHaveLength(21);
  });

  test("reaches subscribers at every rate", async () => {
    const party = new Party();
    const slow = new Watcher(party.node, "ann");
    slow.subscribe(prices, undefined, 1);
    await party.join("ben", prices);
    expect(newsOf(slow)).toEqual(["join ann of 1", "join ben of 2"]);
  });

  test("moves nobody's place: publications around it arrive once, in order", async () => {
    const party = new Party();
    const ann = await party.join("ann");
    party.node.publishNext(lobby);
    await party.join("ben");
    party.node.publishNext(lobby);
    expect(newsOf(ann)).toHaveLength(2);
    expect(ann.follows.get(lobby)!.seen).toHaveLength(2);
    expect(ann.complaints).toEqual([]);
  });
});

describe("a subscription", () => {
  test("that fails, or ends before it began, was never there", async () => {
    const party = new Party();
    const { bridge } = party.node;
    bridge.isFailing = true;
    const failed = await party.join("ann");
    expect(failed.failures).toHaveLength(1);
    bridge.isFailing = false;
    bridge.isSlow = true;
    const gone = await party.join("ben");
    gone.disconnect();
    party.heal();
    await party.settle();
    expect(await party.count()).toBe(0);
  });

  test("of a slow socket is a presence like any other", async () => {
    const party = new Party();
    const slow = await party.join("ann");
    slow.socket.pause();
    for (let count = 0; count < 100; count++) party.node.publishNext(lobby);
    expect(slow.subscriptions.get(lobby)!.live).toBe(false);
    await party.settle(10_000);
    expect(await party.count()).toBe(1);
    slow.disconnect();
    await party.settle(6000);
    expect(await party.count()).toBe(0);
  });
});

type Step =
  | { do: "subscribe" | "unsubscribe" | "disconnect"; user: number; device: number }
  | { do: "wait"; ms: number }
  | { do: "slow" }
  | { do: "quick" };

const who = fc.record({ user: fc.nat(3), device: fc.nat(1) });
const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: who.map((at): Step => ({ do: "subscribe", ...at })) },
    { weight: 2, arbitrary: who.map((at): Step => ({ do: "unsubscribe", ...at })) },
    { weight: 2, arbitrary: who.map((at): Step => ({ do: "disconnect", ...at })) },
    { weight: 4, arbitrary: fc.nat(6000).map((ms): Step => ({ do: "wait", ms })) },
    { weight: 1, arbitrary: fc.constantFrom<Step>({ do: "slow" }, { do: "quick" }) },
  ),
  { maxLength: 60, size: "max" },
);

async function check(script: readonly Step[]): Promise<void> {
  const party = new Party();
  const watching = await party.join("watching", arena);
  const devices = new Map<string, Watcher>();
  for (const step of script) {
    if (step.do === "wait") await party.settle(step.ms);
    else if (step.do === "slow") party.node.bridge.isSlow = true;
    else if (step.do === "quick") party.heal();
    else {
      const name = `${step.user}.${step.device}`;
      const device = devices.get(name) ?? new Watcher(party.node, `user-${step.user}`);
      if (step.do === "disconnect") devices.delete(name);
      else devices.set(name, device);
      if (step.do === "disconnect") device.disconnect();
      else device[step.do](arena);
    }
  }
  party.heal();
  await party.settle(6000);
  await party.settle();
  watching.look();
  expect(watching.complaints).toEqual([]);
  const { members } = await party.node.bridge.present(arena, 100);
  expect([...watching.users].sort()).toEqual(members.map(({ userId }) => userId).sort());
  const there = [...devices.values()].filter((device) => device.subscriptions.has(arena));
  const userIds = new Set(there.map(({ member }) => member.userId).concat("watching"));
  expect([...watching.users].sort()).toEqual([...userIds].sort());
}

test("whatever happens, whoever goes by join and leave alone ends up knowing exactly who is there", async () => {
  await fc.assert(fc.asyncProperty(steps, check), { numRuns: 150 });
}, 60_000);

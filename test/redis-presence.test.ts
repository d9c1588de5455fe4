import { describe, expect, test } from "bun:test";
import { FanwireError } from "../src/errors.ts";
import { ask, present } from "./support/presence-chaos.ts";
import { graceMs, leaseMs, PresenceWorld, three } from "./support/presence-world.ts";

const topic = "room:1";

describe("presence over several nodes", () => {
  test("is the same on each, and a user on several is one user", async () => {
    const [world, a, b, c] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    b.enter(topic, "2", "ann");
    b.enter(topic, "3", "ben");
    await world.settle();
    for (const node of [a, b, c]) {
      expect(await ask(world, present(node))).toEqual({ ann: 2, ben: 1 });
      expect(node.seen).toEqual(["came ann of 1", "came ben of 2"]);
    }
    a.exit(topic, "1");
    await world.wait(2 * graceMs);
    expect(await ask(world, present(c))).toEqual({ ann: 1, ben: 1 });
    b.exit(topic, "2");
    await world.wait(graceMs * 1.2);
    for (const node of [a, b, c]) expect(node.seen.slice(2)).toEqual(["went ann of 1"]);
  });

  test("continues a stay on another node within the grace, and nothing is said", async () => {
    const [world, a, b, c] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    a.exit(topic, "1");
    await world.wait(graceMs - 1000);
    b.enter(topic, "2", "ann");
    await world.wait(3 * graceMs);
    for (const node of [a, b, c]) expect(node.seen).toEqual(["came ann of 1"]);
  });

  test("is known at a node that joins later, which is told of nobody who was there before", async () => {
    const [world, a, b] = await three(false);
    a.enter(topic, "1", "ann");
    await world.wait(10);
    a.enter(topic, "2", "ben");
    await world.wait(10);
    b.follow(topic);
    b.enter(topic, "3", "ann");
    b.enter(topic, "4", "cat");
    await world.settle();
    await ask(world, b.presence.ready(topic));
    expect(b.seen).toEqual(["came cat of 3"]);
    expect(await ask(world, present(b))).toEqual({ ann: 2, ben: 1, cat: 1 });
  });

  test("is answered of a topic that nobody here follows, in the order in which users came", async () => {
    const [world, a, b, c] = await three(false);
    for (const [node, user] of [
      [b, "ann"],
      [a, "ben"],
      [c, "cat"],
    ] as const) {
      node.enter(topic, user, user);
      await world.wait(10);
    }
    const { count, members } = await ask(world, a.presence.present(topic, 2));
    expect([count, members.map(({ userId }) => userId)]).toEqual([3, ["ann", "ben"]]);
    // Its own within the grace included, which only it knows.
    a.exit(topic, "ben");
    await world.settle();
    expect(await ask(world, present(a))).toEqual({ ann: 1, cat: 1, ben: 0 });
    expect(await ask(world, present(c, "room:9"))).toEqual({});
  });

  test("of one topic is read once for all who ask at the same time", async () => {
    const [world, a, b] = await three(false);
    a.enter(topic, "1", "ann");
    await world.settle();
    world.counts.readPresence = 0;
    const asked = Array.from({ length: 50 }, () => present(b));
    await world.settle();
    expect(new Set((await Promise.all(asked)).map((one) => JSON.stringify(one)))).toEqual(
      new Set(['{"ann":1}']),
    );
    expect(world.counts.readPresence).toBe(1);
  });

  test("cannot be known while Redis is away, and the node says so at once", async () => {
    const [world, a] = await three();
    a.cut();
    const failure = await a.presence.present(topic, 9).catch((fault: unknown) => fault);
    expect(failure).toBeInstanceOf(FanwireError);
    expect((failure as FanwireError).code).toBe("unavailable");
    await world.wait(1000);
    expect(await ask(world, present(a))).toEqual({});
  });

  test("of a killed node ends within its lease and the grace", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    b.enter(topic, "2", "ben");
    await world.wait(4321);
    a.kill();
    await world.wait(leaseMs);
    expect(await ask(world, present(b))).toEqual({ ann: 0, ben: 1 });
    await world.wait(1.1 * graceMs);
    expect(b.seen).toEqual(["came ann of 1", "came ben of 2", "went ann of 1"]);
    expect([...world.stored.hashes].filter(([key, hash]) => key.includes("a:") && hash.size > 0)).toEqual([]);
    expect(world.set("f:L").has("a")).toBe(false);
  });

  test("of a killed node ends with its lease, also where nobody has cleared up after it", async () => {
    const [world, a, b] = await three(false);
    world.refuse = (script) => script === "purgePresence";
    a.enter(topic, "1", "ann");
    await world.wait(7000);
    a.kill();
    await world.wait(world.leftMs("f:l:a") - 1);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    await world.wait(1);
    expect(await ask(world, present(b))).toEqual({});
    expect(world.hash(`f:pm:a:${topic}`).size).toBe(1);
  });

  test("is read once more only where something was missed: a message that a read overtook costs nothing", async () => {
    const [world, a, b] = await three(false);
    b.follow(topic);
    b.isPaused = true;
    a.enter(topic, "1", "ann");
    await world.settle();
    a.enter(topic, "2", "ben");
    await world.settle();
    b.isPaused = false;
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 1, ben: 1 });
    world.counts.readPresence = 0;
    world.publish(`f:t:${topic}`, b.received[0]!);
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 1, ben: 1 });
    expect(world.counts.readPresence).toBe(0);
  });

  test("of a killed node ends with its lease, whenever others look at leases as a rule", async () => {
    const world = new PresenceWorld();
    const a = world.start("a");
    await world.wait(2500);
    const b = world.start("b");
    for (const node of [a, b]) node.follow(topic);
    a.enter(topic, "1", "ann");
    await world.wait(2501);
    a.kill();
    await world.wait(leaseMs - 2);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    await world.wait(20);
    expect(await ask(world, present(b))).toEqual({ ann: 0 });
  });

  test("is told by a node that ends, so that nobody waits for its lease", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    a.enter("room:2", "1", "ann");
    await world.settle();
    await ask(world, a.presence.close());
    a.kill();
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 0 });
    expect(await ask(world, present(b, "room:2"))).toEqual({});
  });
});

describe("a read under way", () => {
  test("takes what arrives before its answer, and is not repeated", async () => {
    const [world, a, b] = await three(false);
    world.counts.readPresence = 0;
    b.areAnswersHeld = true;
    b.follow(topic);
    await world.settle();
    a.enter(topic, "1", "ann");
    await world.settle();
    b.areAnswersHeld = false;
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    expect(world.counts.readPresence).toBe(1);
  });

  test("is repeated where more arrives than can wait for its answer", async () => {
    const [world, a, b] = await three(false);
    world.counts.readPresence = 0;
    b.areAnswersHeld = true;
    b.follow(topic);
    await world.settle();
    for (let wave = 0; wave < 12; wave++) {
      for (let user = 0; user < 400; user++) a.enter(topic, `${user}`, `user-${user}`);
      await world.settle();
      for (let user = 0; user < 399; user++) a.exit(topic, `${user}`);
      await world.settle();
    }
    expect(world.counts.replacePresence).toBeUndefined();
    b.areAnswersHeld = false;
    const sessions = Object.values(await ask(world, present(b)));
    expect(sessions.filter((count) => count > 0)).toHaveLength(1);
    expect(world.counts.readPresence).toBe(2);
  });

  test("is refused where too many other topics are being asked for", async () => {
    const [world, a, b] = await three(false);
    a.enter("room:0", "1", "ann");
    await world.settle();
    const asked = Array.from({ length: 1001 }, (_, room) => b.presence.present(`room:${room}`, 9));
    const answers = Promise.allSettled(asked);
    await world.settle();
    const refused = (await answers).map(({ status }) => status === "rejected");
    expect(refused.filter(Boolean)).toHaveLength(1);
    expect(refused.at(-1)).toBe(true);
    expect(await asked[0]).toMatchObject({ count: 1 });
  });

  test("is repeated where it began before the channel was subscribed", async () => {
    const [world, a, b] = await three(false);
    b.presence.follow(topic);
    b.areAnswersHeld = true;
    const early = present(b);
    await world.settle();
    a.enter(topic, "1", "ann");
    await world.settle();
    b.subscriptions.add(`f:t:${topic}`);
    b.presence.subscribed(topic);
    b.areAnswersHeld = false;
    await ask(world, early);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
  });

  test("is not waited for when the connection is lost: who came is told", async () => {
    const [world, , b] = await three(false);
    b.areAnswersHeld = true;
    b.follow(topic);
    b.enter(topic, "1", "ann");
    const ready = b.presence.ready(topic);
    await world.settle();
    expect(b.seen).toEqual([]);
    b.cut();
    expect(b.seen).toEqual(["came ann of 1"]);
    await ready;
  });
});

import { describe, expect, test } from "bun:test";
import { packValue, presenceHead } from "../src/bridge/envelope.ts";
import { FanwireError } from "../src/errors.ts";
import { ask, checkSeed, present } from "./support/presence-chaos.ts";
import { graceMs, leaseMs, PresenceWorld, type WorldNode } from "./support/presence-world.ts";

const topic = "room:1";

async function three(followed = true): Promise<[PresenceWorld, WorldNode, WorldNode, WorldNode]> {
  const world = new PresenceWorld();
  const nodes = ["a", "b", "c"].map((name) => world.start(name)) as [WorldNode, WorldNode, WorldNode];
  if (followed) for (const node of nodes) node.follow(topic);
  await world.settle();
  return [world, ...nodes];
}

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

  test("is refused to nobody because Redis refuses: the news is told later", async () => {
    const [world, a, b] = await three();
    world.refuse = (script) => script === "changePresence" || script === "replacePresence";
    a.enter(topic, "1", "ann");
    await world.wait(3500);
    expect(world.counts.refused).toBeLessThanOrEqual(4);
    expect(await ask(world, present(a))).toEqual({ ann: 1 });
    world.refuse = () => false;
    await world.wait(1000);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
  });

  test("of a topic that cannot be read is known once it can", async () => {
    const [world, a, b] = await three(false);
    a.enter(topic, "1", "ann");
    await world.settle();
    world.refuse = (script) => script === "readPresence";
    b.follow(topic);
    await world.settle();
    const failure = await ask(world, b.presence.present(topic, 9)).catch((fault: unknown) => fault);
    expect((failure as FanwireError).code).toBe("unavailable");
    world.refuse = () => false;
    await world.wait(10_000);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
  });

  test("of a node that was paused beyond its lease is told again when it goes on", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    a.isPaused = true;
    await world.wait(leaseMs + 2 * graceMs);
    expect(await ask(world, present(b))).toEqual({});
    a.isPaused = false;
    await world.wait(1000);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    expect(b.seen).toEqual(["came ann of 1", "went ann of 0", "came ann of 1"]);
    expect(a.seen).toEqual(["came ann of 1"]);
  });

  test.each(["came", "went"])(
    "heals where the message that somebody %s is lost: at the next one",
    async (lost) => {
      const [world, a, b] = await three();
      a.enter(topic, "1", "ann");
      a.enter(topic, "2", "ben");
      await world.settle();
      world.losses = 2;
      if (lost === "came") a.enter(topic, "3", "cat");
      else a.exit(topic, "1");
      await world.settle();
      expect(world.losses).toBe(0);
      expect(await ask(world, present(b))).toEqual({ ann: 1, ben: 1 });
      a.enter(topic, "4", "dan");
      await world.settle();
      const expected = { ann: 1, ben: 1, cat: 1, dan: 1 };
      expect(await ask(world, present(b))).toEqual(await present(a));
      if (lost === "came") expect(await present(b)).toEqual(expected);
      else expect((await present(b)).ann).toBe(0);
    },
  );

  test("heals where the message is lost and none follows: in the rotation", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    world.losses = 3;
    a.exit(topic, "1");
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    await world.wait(15_000);
    expect(await ask(world, present(b))).toEqual({ ann: 0 });
  });

  test("heals where Redis comes back empty, without a word to anybody", async () => {
    const [world, a, b, c] = await three();
    a.enter(topic, "1", "ann");
    b.enter(topic, "2", "ben");
    await world.settle();
    const seen = [a, b, c].map((node) => [...node.seen]);
    world.restart();
    await world.wait(1000);
    for (const node of [a, b, c]) {
      expect(await ask(world, present(node))).toEqual({ ann: 1, ben: 1 });
    }
    expect([a, b, c].map((node) => node.seen)).toEqual(seen);
  });

  test("heals where Redis comes back with sessions that have gone since", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    a.enter("room:2", "1", "ann");
    await world.settle();
    const old = world.copy();
    a.exit(topic, "1");
    a.exit("room:2", "1");
    await world.wait(2 * graceMs);
    world.restart(old);
    await world.wait(2 * graceMs);
    expect(await ask(world, present(b))).toEqual({});
    expect(await ask(world, present(b, "room:2"))).toEqual({});
  });

  test("is not undone by what a dead connection still had in it", async () => {
    const [world, a, b] = await three();
    const late: (() => void)[] = [];
    a.isHeld = true;
    a.enter(topic, "1", "ann");
    await world.settle();
    a.exit(topic, "1");
    a.cut((execute) => late.push(execute));
    a.isHeld = false;
    await world.wait(1000);
    for (const execute of late) execute();
    expect(late).not.toEqual([]);
    await world.wait(2 * graceMs);
    expect(await ask(world, present(b))).toEqual({});
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

describe("a storm of sessions", () => {
  test("is told in few calls, and told whole", async () => {
    const [world, a, b] = await three();
    for (let user = 0; user < 10_000; user++) a.enter(topic, `${user}`, `user-${user}`);
    await world.settle();
    expect((await ask(world, b.presence.present(topic, 1))).count).toBe(10_000);
    expect(b.seen.length).toBe(10_000);
    expect(world.counts.changePresence).toBeLessThanOrEqual(20);
    for (let user = 0; user < 10_000; user++) a.exit(topic, `${user}`);
    await world.wait(2 * graceMs);
    expect((await ask(world, b.presence.present(topic, 1))).count).toBe(0);
    expect(world.counts.changePresence).toBeLessThanOrEqual(40);
  });

  test("that comes and goes while Redis is away leaves nothing behind", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "stays", "ann");
    await world.settle();
    a.cut();
    for (let user = 0; user < 10_000; user++) {
      a.enter(topic, `${user}`, `user-${user}`);
      a.exit(topic, `${user}`);
      a.enter(`room:x${user}`, `${user}`, `user-${user}`);
      a.exit(`room:x${user}`, `${user}`);
    }
    await world.wait(1000);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    expect(world.counts.changePresence! + world.counts.replacePresence!).toBeLessThan(10);
  });
});

describe("what no node can have written", () => {
  const forged = (instance: string, revision: unknown, changes: unknown) =>
    Buffer.concat([presenceHead(instance), packValue(revision), packValue(changes)]);
  const arrival = ["9", "eve", 1, { of: "eve" }];

  test.each([
    ["no revision", 7, 7],
    ["no changes", 7, null],
    ["a revision that does not grow", 7, [7]],
    ["too few changes", 7, [0, []]],
    ["exits that are none", 7, [0, "1", []]],
    ["an exit without a name", 7, [0, [""], []]],
    ["an exit that is a number", 7, [0, [1], []]],
    ["arrivals that are none", 7, [0, [], { length: 1 }]],
    ["an arrival without a user", 7, [0, [], [["9"]]]],
    ["an arrival without a time", 7, [0, [], [["9", "eve", "now"]]]],
    ["an arrival with a list for info", 7, [0, [], [["9", "eve", 1, []]]]],
    ["a name of a megabyte", 7, [0, [], [["9", "e".repeat(1_000_000), 1]]]],
  ])("is ignored and counted: %s", async (_, revision, changes) => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    world.publish(`f:t:${topic}`, forged("z", revision, changes));
    await world.settle();
    expect(b.malformed).toBe(1);
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
  });

  test("is forgotten in the rotation where it looks like a node's", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    world.publish(`f:t:${topic}`, forged("z", 2 ** 52, [0, [], [arrival]]));
    world.publish(`f:t:${topic}`, forged("a", 2 ** 52, [1, ["1"], [arrival]]));
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 0, eve: 2 });
    await world.wait(15_000);
    expect(await ask(world, present(b))).toEqual({ ann: 1, eve: 0 });
    await world.wait(graceMs);
    for (const node of [a, b]) expect(await ask(world, present(node))).toEqual({ ann: 1 });
  });

  test("is passed over in what Redis keeps", async () => {
    const [world, a, b] = await three(false);
    a.enter(topic, "1", "ann");
    await world.settle();
    world.hash(`f:pm:a:${topic}`).set("2", Buffer.from("no MessagePack"));
    world.hash(`f:pm:a:${topic}`).set("3", packValue([7]));
    world.hash(`f:p:${topic}`).set("a b", Buffer.from("7"));
    world.set("f:L").add("a b");
    world.stored.strings.set("f:l:a b", "1");
    b.follow(topic);
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    expect(b.malformed).toBeGreaterThan(2);
  });
});

test("whatever is lost, cut, killed, paused, emptied or rolled back, in the end every node knows who is there, and was told", async () => {
  for (let seed = 1; seed <= 60; seed++) await checkSeed(seed, 120);
}, 30_000);

import { describe, expect, test } from "bun:test";
import { presenceHead } from "../src/bridge/envelope.ts";
import { pack } from "../src/wire/msgpack.ts";
import { ask, present } from "./support/presence-chaos.ts";
import { graceMs, three } from "./support/presence-world.ts";

const topic = "room:1";

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

  test("is told again in pages, without haste where Redis loses them", async () => {
    const [world, a, b] = await three();
    for (let user = 0; user < 600; user++) a.enter(topic, `${user}`, `user-${user}`);
    await world.settle();
    world.counts.replacePresence = 0;
    world.refuse = (script) => {
      if (script === "replacePresence") world.delete(`f:ps:a:${a.fence}:${topic}`);
      return false;
    };
    world.restart();
    await world.wait(3000);
    // Two pages each time.
    expect(world.counts.replacePresence).toBeLessThanOrEqual(8);
    world.refuse = () => false;
    await world.wait(2000);
    expect((await ask(world, b.presence.present(topic, 1))).count).toBe(600);
    expect(b.seen.length).toBe(600);
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
    Buffer.concat([presenceHead(instance), pack(revision), pack(changes)]);
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

  test("leaves nobody behind where a session changes its user", async () => {
    const [world, , b] = await three();
    world.publish(`f:t:${topic}`, forged("z", 1, [0, [], [arrival]]));
    world.publish(`f:t:${topic}`, forged("z", 2, [1, [], [["9", "mallory", 2, { of: "mallory" }]]]));
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ eve: 0, mallory: 1 });
  });

  test("is passed over in what Redis keeps", async () => {
    const [world, a, b] = await three(false);
    a.enter(topic, "1", "ann");
    await world.settle();
    world.hash(`f:pm:a:${topic}`).set("2", Buffer.from("no MessagePack"));
    world.hash(`f:pm:a:${topic}`).set("3", pack([7]));
    world.hash(`f:p:${topic}`).set("a b", Buffer.from("7"));
    world.set("f:L").add("a b");
    world.stored.strings.set("f:l:a b", "1");
    b.follow(topic);
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
    expect(b.malformed).toBeGreaterThan(2);
  });
});

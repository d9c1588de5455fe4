import { describe, expect, test } from "bun:test";
import type { FanwireError } from "../src/errors.ts";
import { ask, checkSeed, present } from "./support/presence-chaos.ts";
import { graceMs, leaseMs, three } from "./support/presence-world.ts";

const topic = "room:1";

describe("what was lost of presence", () => {
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

  test("is told under a new fence at once where the old one is refused", async () => {
    const [world, a, b] = await three();
    await world.wait(100);
    world.delete("f:l:a");
    a.enter(topic, "1", "ann");
    await world.settle();
    expect(await ask(world, present(b))).toEqual({ ann: 1 });
  });

  test("tells of a session's new info where the message is lost, however soon it came", async () => {
    const [world, a, b] = await three();
    a.enter(topic, "1", "ann");
    await world.settle();
    world.losses = 3;
    a.presence.enter(topic, { sessionId: "1", userId: "ann", info: { of: "ann", mood: "better" } });
    await world.wait(15_000);
    const { members } = await ask(world, b.presence.present(topic, 9));
    expect(members).toEqual([{ userId: "ann", sessions: 1, info: { of: "ann", mood: "better" } }]);
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
});

test("whatever is lost, cut, killed, paused, emptied or rolled back, in the end every node knows who is there, and was told", async () => {
  for (let seed = 1; seed <= 60; seed++) await checkSeed(seed, 120);
}, 30_000);

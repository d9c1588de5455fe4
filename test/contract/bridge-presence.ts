// The contract of src/bridge/presence.ts as a part of the suite that every bridge passes.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Bridge } from "../../src/bridge/bridge.ts";
import { type BridgeUnderTest, Node, presenceGraceMs } from "./bridge.ts";

export function testPresence(create: () => Promise<BridgeUnderTest>): void {
  describe("who is where", () => {
    const topic = "room:1";
    let under: BridgeUnderTest;
    let bridge: Bridge;
    let node: Node;

    beforeEach(async () => {
      under = await create();
      bridge = under.bridge;
      node = new Node();
      await bridge.start(node);
      await bridge.join(topic);
      node.seen.length = 0;
    });
    afterEach(() => under.end());

    const enter = (sessionId: string, userId: string, info?: Record<string, unknown>) =>
      bridge.enter(topic, { sessionId, userId, ...(info && { info }) });

    test("is told as count and list, in the order in which users came, up to the limit", async () => {
      expect(await bridge.present(topic, 9)).toEqual({ count: 0, members: [] });
      enter("1", "ann", { name: "Ann" });
      enter("2", "ben");
      enter("3", "ann", { name: "Ann" });
      const ann = { userId: "ann", sessions: 2, info: { name: "Ann" } };
      expect(await bridge.present(topic, 9)).toEqual({
        count: 2,
        members: [ann, { userId: "ben", sessions: 1 }],
      });
      expect(await bridge.present(topic, 1)).toEqual({ count: 2, members: [ann] });
      expect(await bridge.present("room:2", 9)).toEqual({ count: 0, members: [] });
    });

    test("changes with a user's first session, and with the last one after the grace", async () => {
      enter("1", "ann", { name: "Ann" });
      enter("2", "ann", { name: "Annie" });
      enter("3", "ben");
      bridge.exit(topic, "1");
      await under.wait(2 * presenceGraceMs);
      bridge.exit(topic, "2");
      bridge.exit(topic, "3");
      await under.wait(presenceGraceMs - 1);
      const came = ['room:1 came ann {"name":"Ann"} of 1', "room:1 came ben undefined of 2"];
      expect(node.seen).toEqual(came);
      await under.wait(1);
      const went = ['room:1 went ann {"name":"Annie"} of 1', "room:1 went ben undefined of 0"];
      expect(node.seen).toEqual([...came, ...went]);
      expect(await bridge.present(topic, 9)).toEqual({ count: 0, members: [] });
    });

    test("keeps users without a session through the grace, and says nothing of who comes back within it", async () => {
      enter("1", "ann");
      bridge.exit(topic, "1");
      await under.wait(presenceGraceMs - 1);
      const away = { count: 1, members: [{ userId: "ann", sessions: 0 }] };
      expect(await bridge.present(topic, 9)).toEqual(away);
      enter("2", "ann");
      await under.wait(2 * presenceGraceMs);
      expect(node.seen).toEqual(["room:1 came ann undefined of 1"]);
      const back = { count: 1, members: [{ userId: "ann", sessions: 1 }] };
      expect(await bridge.present(topic, 9)).toEqual(back);
    });

    test("begins a new stay for who comes back later", async () => {
      enter("1", "ann");
      bridge.exit(topic, "1");
      await under.wait(presenceGraceMs);
      enter("1", "ann");
      const stays = ["came ann undefined of 1", "went ann undefined of 0", "came ann undefined of 1"];
      expect(node.seen).toEqual(stays.map((stay) => `room:1 ${stay}`));
    });

    test("takes the news of one topic in their order, and what is no news for nothing", async () => {
      enter("1", "ann");
      enter("1", "ann", { name: "Ann" });
      bridge.exit(topic, "1");
      bridge.exit(topic, "1");
      bridge.exit(topic, "unknown");
      enter("1", "ann", { name: "Ann" });
      const members = [{ userId: "ann", sessions: 1, info: { name: "Ann" } }];
      expect(await bridge.present(topic, 9)).toEqual({ count: 1, members });
      await under.wait(2 * presenceGraceMs);
      expect(await bridge.present(topic, 9)).toEqual({ count: 1, members });
      expect(node.seen).toEqual(["room:1 came ann undefined of 1"]);
    });

    test("keeps topics apart, and tells a node nothing of those it left", async () => {
      enter("1", "ann");
      bridge.enter("room:2", { sessionId: "1", userId: "ann" });
      expect((await bridge.present("room:2", 9)).count).toBe(1);
      bridge.exit("room:2", "1");
      bridge.leave(topic);
      bridge.exit(topic, "1");
      await under.wait(presenceGraceMs);
      expect(node.seen).toEqual(["room:1 came ann undefined of 1"]);
      expect((await bridge.present(topic, 9)).count).toBe(0);
    });
  });
}

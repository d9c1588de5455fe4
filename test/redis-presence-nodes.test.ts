// Presence of two nodes with bridges of their own over a real Redis.

import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { PresencePage, TopicUser } from "../src/bridge/presence.ts";
import { systemClock } from "../src/bridge/redis/clock.ts";
import { RedisPresence } from "../src/bridge/redis/redis-presence.ts";
import type { RedisBridge } from "../src/bridge/redis.ts";
import { Node } from "./contract/bridge.ts";
import { createRedisBridge } from "./support/redis-nodes.ts";
import { RedisServer } from "./support/redis-server.ts";

const topic = "room:1";
const graceMs = 100;
const deadlineMs = 20_000;

class Watcher extends Node {
  #looking = new Set<() => void>();

  override came(of: string, user: TopicUser, count: number): void {
    super.came(of, user, count);
    this.#look();
  }

  override went(of: string, user: TopicUser, count: number): void {
    super.went(of, user, count);
    this.#look();
  }

  override alive(alive: boolean): void {
    super.alive(alive);
    this.#look();
  }

  /** Resolves once something that this node was told makes it true. */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const seen = this.seen;
      const timer = setTimeout(() => reject(new Error(`still only ${seen.slice(-5)}`)), deadlineMs);
      const look = () => {
        if (!isSo()) return;
        clearTimeout(timer);
        this.#looking.delete(look);
        resolve();
      };
      this.#looking.add(look);
      look();
    });
  }

  stays(): string[] {
    return this.seen.filter((line) => / (came|went) /.test(line)).map((line) => line.slice(topic.length + 1));
  }

  #look(): void {
    for (const look of this.#looking) look();
  }
}

let server: RedisServer;
let bridges: RedisBridge[] = [];
const nodes: Watcher[] = [];

function start(prefix: string): RedisBridge {
  return createRedisBridge([server.address], {
    prefix,
    createPresence: ({ instance, link, node, malformed }) =>
      new RedisPresence({ instance, prefix, graceMs, clock: systemClock, link, events: node, malformed }),
  });
}

beforeEach(async () => {
  server = await RedisServer.start();
  bridges = [start("f:"), start("f:")];
  nodes.length = 0;
  for (const bridge of bridges) {
    const node = new Watcher();
    nodes.push(node);
    await bridge.start(node);
  }
});

afterEach(async () => {
  for (const bridge of bridges) await bridge.close();
  await server.end();
});

const both = () => [bridges[0]!, bridges[1]!, nodes[0]!, nodes[1]!] as const;
const counts = ({ count, members }: PresencePage) => [count, ...members.map(({ sessions }) => sessions)];

describe("presence over a real Redis", () => {
  test("tells a user of two nodes as one, and a stay that moves from one to the other as one", async () => {
    const [a, b, first, second] = both();
    await Promise.all([a.join(topic), b.join(topic)]);
    a.enter(topic, { sessionId: "1", userId: "ann", info: { name: "Ann" } });
    await second.until(() => second.stays().length === 1);
    b.enter(topic, { sessionId: "2", userId: "ann", info: { name: "Ann" } });
    b.enter(topic, { sessionId: "3", userId: "ben" });
    await first.until(() => first.stays().length === 2);
    a.exit(topic, "1");
    expect(counts(await a.present(topic, 9))).toEqual([2, 1, 1]);
    b.exit(topic, "2");
    await first.until(() => first.stays().length === 3);
    const stays = ['came ann {"name":"Ann"} of 1', "came ben undefined of 2", 'went ann {"name":"Ann"} of 1'];
    expect(first.stays()).toEqual(stays);
    await second.until(() => second.stays().length === 3);
    expect(second.stays()).toEqual(stays);
  });

  test("is known where the topic is joined late, and where it is not joined", async () => {
    const [a, b, , second] = both();
    await a.join(topic);
    a.enter(topic, { sessionId: "1", userId: "ann" });
    a.enter("game:1", { sessionId: "1", userId: "ann" });
    // What one node tells another is on its way then: nobody can be told to wait for it.
    await a.present("game:2", 1);
    await b.join(topic);
    expect(counts(await b.present(topic, 9))).toEqual([1, 1]);
    expect(counts(await b.present("game:1", 9))).toEqual([1, 1]);
    expect(second.stays()).toEqual([]);
  });

  test("takes 10,000 who come in one turn, and their going", async () => {
    const [a, b, , second] = both();
    await Promise.all([a.join(topic), b.join(topic)]);
    for (let user = 0; user < 10_000; user++)
      a.enter(topic, { sessionId: `${user}`, userId: `user-${user}` });
    await second.until(() => second.seen.length === 10_001);
    expect((await b.present(topic, 1)).count).toBe(10_000);
    for (let user = 0; user < 10_000; user++) a.exit(topic, `${user}`);
    await second.until(() => second.seen.length === 20_001);
    expect((await b.present(topic, 1)).count).toBe(0);
  }, 30_000);

  test("is whole again after Redis was killed and came back empty", async () => {
    const [a, b, first, second] = both();
    await Promise.all([a.join(topic), b.join(topic)]);
    a.enter(topic, { sessionId: "1", userId: "ann" });
    await second.until(() => second.stays().length === 1);
    await server.kill();
    await Promise.all([first, second].map((node) => node.until(() => !node.isAlive)));
    a.enter(topic, { sessionId: "2", userId: "ben" });
    await server.revive({ isEmpty: true });
    await Promise.all([first, second].map((node) => node.until(() => node.isAlive)));
    await second.until(() => second.stays().includes("came ben undefined of 2"));
    expect(counts(await b.present(topic, 9))).toEqual([2, 1, 1]);
  }, 30_000);

  test("ends at once with a node that ends in order", async () => {
    const [a, b, , second] = both();
    await b.join(topic);
    a.enter(topic, { sessionId: "1", userId: "ann" });
    await second.until(() => second.stays().length === 1);
    await a.close();
    bridges.shift();
    await second.until(() => second.stays().length === 2);
    expect(second.stays()).toEqual(["came ann undefined of 1", "went ann undefined of 0"]);
  });
});

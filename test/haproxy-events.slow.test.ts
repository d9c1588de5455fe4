// Event streams of real nodes through HAProxy: they go on at another node where their own has ended, with what came meanwhile.

import { afterEach, expect, test } from "bun:test";
import { ProxiedCluster } from "./faults/proxied-cluster.ts";
import { dropEventReaders, EventReader } from "./support/event-reader.ts";
import { dropPeers, Peer } from "./support/peer.ts";
import { tokenFor } from "./support/token.ts";

const timeoutMs = 60_000;

afterEach(() => {
  dropEventReaders();
  dropPeers();
});

/** The id of the node that has the only stream there is. */
async function nodeOf({ haproxy }: ProxiedCluster): Promise<number> {
  const sessions = await haproxy.sessions("streams");
  expect(sessions.filter((count) => count > 0)).toEqual([1]);
  return sessions.indexOf(1) + 1;
}

test.each(["SIGKILL", "SIGTERM"] as const)(
  "an event stream whose node is ended by %s goes on at another one, with all that it missed and nothing twice",
  async (signal) => {
    await using cluster = await ProxiedCluster.start();
    const { haproxy } = cluster;
    const listen = (lastEventId?: string) =>
      EventReader.connect(haproxy.port, {
        topics: ["room:1", "ticker:1"],
        token: tokenFor("ann"),
        query: "join=none",
        ...(lastEventId !== undefined && { lastEventId }),
      });
    let reader = await listen();
    const first = await nodeOf(cluster);
    const publisher = await publisherElsewhere(cluster, first);
    const publish = (data: number) =>
      Promise.all([
        publisher.request({ type: "publish", topic: "room:1", data }),
        publisher.request({ type: "publish", topic: "ticker:1", key: "a", data }),
      ]);
    const told = async (count: number) => {
      const frames = await reader.take(count);
      return frames.map(({ type, topic, offset, data }) => [type, topic, offset, data]).sort();
    };
    await publish(1);
    expect(await told(2)).toEqual([
      ["message", "room:1", 1, 1],
      ["message", "ticker:1", 1, 1],
    ]);
    await cluster.end(first, signal);
    // A drained node says so, and when to come back; a killed one says nothing.
    const farewell = await reader.rest(20_000);
    expect(farewell.map(({ type }) => type)).toEqual(signal === "SIGTERM" ? ["closing"] : []);
    await publish(2);
    await publish(3);
    reader = await listen(reader.lastEventId);
    expect(await nodeOf(cluster)).not.toBe(first);
    // Of the ticker the newest value is owed, once.
    expect(await told(3)).toEqual([
      ["message", "room:1", 2, 2],
      ["message", "room:1", 3, 3],
      ["message", "ticker:1", 3, 3],
    ]);
    await publish(4);
    expect(await told(2)).toEqual([
      ["message", "room:1", 4, 4],
      ["message", "ticker:1", 4, 4],
    ]);
  },
  timeoutMs,
);

/** A publisher whose own connection stays. */
async function publisherElsewhere({ haproxy }: ProxiedCluster, node: number): Promise<Peer> {
  for (let number = 1; ; number++) {
    const token = tokenFor(`publisher-${number}`);
    const peer = await Peer.connect(haproxy.port, { token, query: `join=none&room=${number}` });
    if (peer.connected.nodeId !== `n${node}`) return peer;
    peer.raw.destroy();
  }
}

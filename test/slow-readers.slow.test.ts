// The main promise: clients that read slowly hurt nobody and lose nothing silently, though they know nothing of offsets.
// Every publication is large and the server's own buffers are small, so that the kernel's fill up for real.

import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { dropPeers, type Frame, Peer, type PeerOptions } from "./support/peer.ts";
import { fresh, served } from "./support/served.ts";
import { HandshakeRefused } from "./support/websocket.ts";

setDefaultTimeout(60_000);

const kib = 1024;
const limits = {
  softBufferedBytes: 64 * kib,
  sweepBytes: 64 * kib,
  // Without the feeder a socket that stops reading would soon be over it, and be cut.
  hardBufferedBytes: 2 * kib * kib,
  ringPublications: 16,
  // Its publishers are in a hurry: they are not what this is about either.
  frameBurst: 100_000,
  bytesBurst: 64 * kib * kib,
  // Who does not read cannot answer pings; this is not about them.
  heartbeatMs: 60_000,
  heartbeatTimeoutMs: 50_000,
};
const namespaces = {
  deep: { mode: "stream", history: { size: 2000, maxBytes: 64 * 1024 * 1024 } },
  shallow: { mode: "stream", history: { size: 50 } },
} as const;

/** 20 MiB in all: more than a connection's two kernel buffers can take. */
const count = 640;
const padding = "x".repeat(32 * kib);

const offsetsOf = (frames: readonly Frame[]) => frames.map(({ offset }) => offset);
const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const join = (port: number, options: PeerOptions = {}) =>
  Peer.connect(port, { query: "join=none", ...options });

async function subscribed(port: number, topic: string, options: PeerOptions = {}): Promise<Peer> {
  const peer = await join(port, options);
  await peer.request({ type: "subscribe", topic });
  return peer;
}

/**
 * Publishes a topic's publications one after the other. The fast ones have to have each of them by the time at which the
 * server answers a ping that they send after its `ok`: what is published natively has left before that.
 */
async function publish(publisher: Peer, topic: string, fast: readonly Peer[]): Promise<void> {
  for (let n = 1; n <= count; n++) {
    await publisher.request({ type: "publish", topic, data: { n, padding } });
    if (n % 20 !== 0) continue;
    for (const peer of fast) {
      const frames = await peer.settled();
      expect(frames.map(({ data }) => (data as { n: number }).n)).toEqual(upTo(n, n - 19));
    }
  }
}

/** Everything a client gets until the publication with this offset. */
async function readTo(
  peer: Peer,
  last: number,
  afterEach?: (read: number) => Promise<void>,
): Promise<Frame[]> {
  const frames: Frame[] = [];
  while (frames.at(-1)?.offset !== last || frames.at(-1)?.type !== "message") {
    frames.push(await peer.next());
    await afterEach?.(frames.length);
  }
  return frames;
}

for (const engine of ["bun", "uws"] as const) {
  describe(`slow readers on ${engine}`, () => {
    const server = served(engine, { limits, namespaces });
    afterEach(dropPeers);

    test("get the whole stream in order, without a reset, while fast ones get it promptly", async () => {
      const topic = fresh("deep");
      const { port } = server;
      const fast = [await subscribed(port, topic), await subscribed(port, topic, { format: "msgpack" })];
      const stopped = await subscribed(port, topic, { deadlineMs: 30_000 });
      const trickling = await subscribed(port, topic, { format: "msgpack", deadlineMs: 30_000 });
      const stalling = await subscribed(port, topic, { deadlineMs: 30_000 });
      const publisher = await join(port);

      stopped.raw.pause();
      const trickle = readTo(trickling, count, async () => {
        trickling.raw.pause();
        await pause(3);
        trickling.raw.resume();
      });
      const stalls = readTo(stalling, count, async (read) => {
        if (read % 100 !== 0) return;
        stalling.raw.pause();
        await pause(300);
        stalling.raw.resume();
      });
      await publish(publisher, topic, fast);
      stopped.raw.resume();
      for (const frames of await Promise.all([readTo(stopped, count), trickle, stalls])) {
        expect(offsetsOf(frames)).toEqual(upTo(count));
        expect(new Set(frames.map(({ type }) => type))).toEqual(new Set(["message"]));
      }
      // All of them are back on the native topic: the next one comes as promptly to them as to the fast ones.
      await publisher.request({ type: "publish", topic, data: "next" });
      for (const peer of [...fast, stopped, trickling, stalling]) {
        expect(await peer.settled()).toMatchObject([{ data: "next", offset: count + 1 }]);
      }
    });

    test("beyond what history holds get one reset, at the right offset, and everything after it", async () => {
      const topic = fresh("shallow");
      const { port } = server;
      const fast = await subscribed(port, topic);
      const stopped = await join(port, { deadlineMs: 30_000 });
      const { epoch } = await stopped.request({ type: "subscribe", topic });
      const publisher = await join(port);
      stopped.raw.pause();
      await publish(publisher, topic, [fast]);
      stopped.raw.resume();
      const frames = await readTo(stopped, count);
      const at = frames.findIndex(({ type }) => type === "reset");
      expect(frames.filter(({ type }) => type === "reset")).toHaveLength(1);
      expect(frames[at]).toEqual({ type: "reset", topic, epoch: epoch!, offset: count - 50 });
      expect(offsetsOf(frames.slice(0, at))).toEqual(upTo(at));
      expect(offsetsOf(frames.slice(at + 1))).toEqual(upTo(count, count - 49));
      await publisher.request({ type: "publish", topic, data: "next" });
      expect(await stopped.settled()).toMatchObject([{ data: "next", offset: count + 1 }]);
    });

    test("miss volatile publications while they are slow, and none once they have caught up", async () => {
      const [game, room] = [fresh("game"), fresh("deep")];
      const { port } = server;
      const fast = await subscribed(port, game);
      const stopped = await subscribed(port, game, { deadlineMs: 30_000 });
      await stopped.request({ type: "subscribe", topic: room });
      const publisher = await join(port);
      stopped.raw.pause();
      await publish(publisher, game, [fast]);
      await publisher.request({ type: "publish", topic: room, data: "stream" });
      stopped.raw.resume();
      // The stream goes on behind what was on its way already; its message is the sign that the socket has drained.
      const seen: unknown[] = [];
      for (let frame = await stopped.next(); frame.topic === game; frame = await stopped.next()) {
        seen.push((frame.data as { n: number }).n);
      }
      expect(seen).toEqual(upTo(seen.length));
      expect(seen.length).toBeWithin(1, count);
      // Caught up in the stream is caught up in all topics, a turn later.
      await stopped.request({ type: "ping" });
      for (const data of upTo(20)) await publisher.request({ type: "publish", topic: game, data });
      expect((await stopped.settled()).map(({ data }) => data)).toEqual(upTo(20));
    });
  });

  describe(`answers that are not read on ${engine}`, () => {
    const server = served(engine, { limits });
    afterEach(dropPeers);

    test("wait without filling memory, and all arrive once they are read", async () => {
      const topic = fresh("room");
      const peer = await join(server.port, { deadlineMs: 30_000 });
      const { epoch } = await peer.request({ type: "publish", topic, data: padding });
      for (let n = 2; n <= 7; n++) await peer.request({ type: "publish", topic, data: padding });
      // Each is answered by up to 200 KiB: together more than the hard limit and both kernel buffers can take.
      const requests = {
        history: { type: "history", topic },
        // Answered within the turn that reads it: what was missed is in memory.
        rejoin: { type: "subscribe", topic, since: { epoch, offset: 0 } },
      };
      for (const request of Object.values(requests)) {
        peer.raw.pause();
        const answering = peer.requests(...upTo(100).map(() => request));
        const other = await join(server.port);
        expect(await other.request({ type: "ping" })).toMatchObject({ type: "pong" });
        peer.raw.resume();
        const answers = await answering;
        expect(answers.map(({ type }) => type)).toEqual(Array(100).fill("ok"));
      }
      await peer.request({ type: "unsubscribe", topic });
      await peer.settled();
      const { publications } = await peer.request(requests.rejoin);
      const messages = await peer.messages(7 - publications!.length);
      expect([...publications!, ...messages].map(({ offset }) => offset)).toEqual(upTo(7));
    });

    test("to many subscriptions at once are as much as the socket takes, and the rest follows", async () => {
      const topics = upTo(60).map(() => fresh("room"));
      const publisher = await join(server.port);
      for (const topic of topics) {
        for (let n = 1; n <= 7; n++) await publisher.request({ type: "publish", topic, data: padding });
      }
      const peer = await join(server.port);
      const epochs = await publisher.requests(
        ...topics.map((topic) => ({ type: "history", topic, limit: 1 })),
      );
      // Nobody listens to them yet, so each subscription has to ask for the history first, all at once.
      const subscribing = topics.map((topic, i) => {
        return { type: "subscribe", topic, since: { epoch: epochs[i]!.epoch, offset: 0 } };
      });
      const answers = await peer.requests(...subscribing);
      for (const [i, topic] of topics.entries()) {
        const { recovered, offset, publications } = answers[i]!;
        expect([recovered, offset]).toEqual([true, publications!.length]);
        const messages = await peer.messages(7 - publications!.length, topic);
        expect([...publications!, ...messages].map((item) => item.offset)).toEqual(upTo(7));
      }
    });
  });

  describe(`a slow reader and the heartbeat on ${engine}`, () => {
    const heartbeat = { heartbeatMs: 300, heartbeatTimeoutMs: 300 };
    const server = served(engine, { limits: { ...limits, ...heartbeat }, namespaces });
    afterEach(dropPeers);

    test("has as long as a slow reader has, though its pong is stuck behind what it has yet to read", async () => {
      const topic = fresh("deep");
      const { port } = server;
      const fast = await subscribed(port, topic);
      const stopped = await subscribed(port, topic, { deadlineMs: 30_000 });
      const publisher = await join(port);
      stopped.raw.pause();
      await publish(publisher, topic, [fast]);
      // A peer that is silent without being slow is ended at the third look after its ping.
      for (let ping = 0; ping < 4; ping++) await fast.raw.nextPing();
      stopped.raw.resume();
      expect(offsetsOf(await readTo(stopped, count))).toEqual(upTo(count));
    });
  });

  describe(`a reader that never reads again on ${engine}`, () => {
    const slowConsumerTimeoutMs = 1000;
    const server = served(engine, {
      limits: { ...limits, slowConsumerTimeoutMs, maxConnections: 3 },
      namespaces,
    });
    afterEach(dropPeers);

    test("is ended after slowConsumerTimeoutMs, and its place is free", async () => {
      const topic = fresh("deep");
      const { port } = server;
      const fast = await subscribed(port, topic);
      const stopped = await subscribed(port, topic, { deadlineMs: 30_000 });
      const publisher = await join(port);
      stopped.raw.pause();
      await publish(publisher, topic, [fast]);
      // It was found slow while publications went on; there is one look a second.
      const latest = Date.now() + slowConsumerTimeoutMs + 2000;
      let next: Peer | undefined;
      while (!next && Date.now() < latest) {
        next = await join(port).catch(async (error) => {
          if (!(error instanceof HandshakeRefused)) throw error;
          await pause(50);
          return undefined;
        });
      }
      expect(next).toBeDefined();
      stopped.raw.resume();
      const { messages, closing } = await stopped.raw.rest();
      expect(messages.length).toBeLessThan(count);
      const offsets = messages.map((message) => (JSON.parse(String(message)) as Frame).offset);
      expect(offsets).toEqual(upTo(messages.length));
      // Behind that much the close frame may not get through any more.
      expect([4002, 1006]).toContain(closing.code);
      expect((await fast.settled()).map(({ type }) => type)).toEqual([]);
    });
  });
}

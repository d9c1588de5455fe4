// The peers of the benchmark suite as they are started for it, over real sockets: what is published arrives,
// all of it, once.

import { afterAll, expect, test } from "bun:test";
import { Link, type LinkListener } from "../bench/suite/load/link.ts";
import { indexAt, type Protocol, payloadMark, payloadOf, stampPayload } from "../bench/suite/protocol.ts";
import { createProtocol } from "../bench/suite/protocols/all.ts";
import {
  type Deployment,
  deploymentName,
  oneNode,
  type RunningTarget,
  type Target,
} from "../bench/suite/target.ts";
import { targets } from "../bench/suite/targets/all.ts";

const twoNodes: Deployment = { nodes: 2, bridge: "redis", entry: "direct" };
const proxied: Deployment = { nodes: 2, bridge: "redis", entry: "haproxy" };
const peers = targets.filter(({ kind }) => kind === "peer");
const cases = peers.flatMap((target) =>
  [oneNode, twoNodes, ...(target.isVariant ? [] : [proxied])].map((deployment) => ({
    target,
    deployment,
    name: `${target.name}, ${deploymentName(deployment)}`,
  })),
);

const topics = 3;
const subscribersPerTopic = 4;
const publicationsPerPublisher = 150;

const running: RunningTarget[] = [];
afterAll(async () => {
  for (const target of running) await target.stop();
});

/**
 * Indexes each subscriber has received, in order of arrival; resolves once that many have arrived altogether.
 */
class Received {
  readonly bySubscriber = new Map<number, number[]>();
  #left: number;
  #link: Link | undefined;
  #done: () => void = () => undefined;
  readonly complete = new Promise<void>((resolve) => {
    this.#done = resolve;
  });

  constructor(expected: number) {
    this.#left = expected;
  }

  arriving(link: Link): void {
    this.#link = link;
  }

  delivery(buffer: Buffer, at: number): void {
    const { number } = this.#link!.member;
    const indexes = this.bySubscriber.get(number) ?? [];
    this.bySubscriber.set(number, indexes);
    indexes.push(indexAt(buffer, at));
    if (--this.#left === 0) this.#done();
  }

  lost(link: Link): void {
    throw new Error(`the server ended the connection of ${link.member.role} ${link.member.number}`);
  }
}

const open = (protocol: Protocol, port: number, member: Link["member"], listener: LinkListener) =>
  Link.open({ port, source: "127.0.0.1", protocol, member, listener });

/**
 * Everything a publisher has to say to its topic, in one write, so that a server may put several into a
 * frame.
 */
function burstOf(protocol: Protocol, topic: number, from: number): Buffer {
  const frame = protocol.publication(topic, payloadOf(64));
  const at = frame.indexOf(payloadMark);
  const frames = Array.from({ length: publicationsPerPublisher }, (_, i) => {
    stampPayload(frame, at, from + i, 0);
    return Buffer.from(frame);
  });
  return Buffer.concat(frames);
}

/** The same protocol, which tells of each frame that holds publications. */
const counting = (protocol: Protocol, count: () => void): Protocol => ({
  ...protocol,
  read(buffer, start, end, sink) {
    const found = protocol.read(buffer, start, end, sink);
    if (found > 0) count();
    return found;
  },
});

async function roundTrip(target: Target, deployment: Deployment, mode: "volatile" | "stream" | "latest") {
  const server = await target.start(deployment, { core: 0 });
  running.push(server);
  const { ports } = server;
  let frames = 0;
  const protocol = counting(createProtocol(target.protocol, mode), () => frames++);
  const publishers = deployment.nodes;
  const perSubscriber = publishers * publicationsPerPublisher;
  const received = new Received(topics * subscribersPerTopic * perSubscriber);
  const links: Link[] = [];
  for (let number = 0; number < topics * subscribersPerTopic; number++) {
    const member = { role: "subscriber", number, topics: [number % topics] } as const;
    links.push(await open(protocol, ports[number % ports.length]!, member, received));
  }
  // A publisher for each topic on each node.
  for (let number = 0; number < topics * publishers; number++) {
    const topic = number % topics;
    const member = { role: "publisher", number, topics: [topic] } as const;
    const link = await open(protocol, ports[Math.floor(number / topics) % ports.length]!, member, received);
    link.write(burstOf(protocol, topic, number * publicationsPerPublisher));
    links.push(link);
  }
  await received.complete;
  for (const link of links) link.cut();
  await server.stop();
  return { received, publishers, server, frames };
}

function expectExact({ received, publishers }: Awaited<ReturnType<typeof roundTrip>>): void {
  for (let subscriber = 0; subscriber < topics * subscribersPerTopic; subscriber++) {
    const indexes = received.bySubscriber.get(subscriber)!;
    const ofTopic = Array.from({ length: publishers }, (_, node) => node * topics + (subscriber % topics));
    expect(indexes).toHaveLength(publishers * publicationsPerPublisher);
    for (const publisher of ofTopic) {
      const from = publisher * publicationsPerPublisher;
      // From each publisher in its order, none missing, none twice.
      const own = indexes.filter((index) => index >= from && index < from + publicationsPerPublisher);
      expect(own).toEqual(Array.from({ length: publicationsPerPublisher }, (_, i) => from + i));
    }
  }
}

test.each(cases)(
  "$name: every subscriber receives every publication of its topic once and in the publisher's order",
  async ({ target, deployment }) => {
    const reason = await target.unavailable();
    if (reason !== undefined) {
      // The packages are installed by `npm test`, so this is about the one that is built with Go, which takes too long for it.
      expect(reason).toStartWith("Centrifugo is not built: ");
      return;
    }
    const modes = target.name.startsWith("centrifugo")
      ? (["volatile", "stream"] as const)
      : (["stream"] as const);
    for (const mode of modes) {
      const outcome = await roundTrip(target, deployment, mode);
      expectExact(outcome);
      const roles = outcome.server.processes.map(({ role }) => role);
      const hasRedis = target.name === "guide" || deployment.bridge === "redis";
      expect(roles).toEqual([
        ...Array(deployment.nodes).fill("node"),
        ...(hasRedis ? ["redis"] : []),
        ...(deployment.entry === "haproxy" ? ["haproxy"] : []),
      ]);
      const deliveries = topics * subscribersPerTopic * outcome.publishers * publicationsPerPublisher;
      // Only Centrifugo puts several into a frame; what it does has to be read, so it has to happen here.
      if (target.name.startsWith("centrifugo")) expect(outcome.frames).toBeLessThan(deliveries);
      else expect(outcome.frames).toBe(deliveries);
    }
  },
  600_000,
);

/** Indexes in order of arrival, missed ones included; `until(n)` resolves once there are n. */
class Heard {
  readonly indexes: number[] = [];
  #waiting: { count: number; done: () => void } | undefined;

  arriving(): void {
    // There is one connection.
  }

  delivery(buffer: Buffer, at: number): void {
    this.indexes.push(indexAt(buffer, at));
    if (this.#waiting?.count === this.indexes.length) this.#waiting.done();
  }

  lost(): void {
    throw new Error("the server ended the connection");
  }

  until(count: number): Promise<void> {
    return new Promise((done) => {
      this.#waiting = { count, done };
      if (this.indexes.length >= count) done();
    });
  }
}

test.each(peers.filter(({ protocol }) => protocol.startsWith("centrifugo")))(
  "$name: a connection that comes back to the other node gets what it missed, once and in order",
  async (target) => {
    if ((await target.unavailable()) !== undefined) return;
    const server = await target.start(twoNodes, { core: 0 });
    running.push(server);
    const [first, second] = server.ports as [number, number];
    const protocol = createProtocol(target.protocol, "stream");
    const recovery = protocol.recovery!();
    const member = { role: "subscriber", number: 0, topics: [0, 1] } as const;
    const heard = new Heard();
    const join = (port: number) =>
      Link.open({ port, source: "127.0.0.1", protocol, member, listener: heard, recovery });
    const publisher = await Link.open({
      ...{ port: first, source: "127.0.0.1", protocol, listener: heard },
      member: { role: "publisher", number: 0, topics: [0] },
    });
    const burst = (number: number) =>
      publisher.write(burstOf(protocol, 0, number * publicationsPerPublisher));
    const numbered = (count: number) => Array.from({ length: count }, (_, i) => i);

    const before = await join(first);
    burst(0);
    await heard.until(publicationsPerPublisher);
    before.cut();
    // Another member sees when what is missed has been published.
    const witness = new Heard();
    const other = { role: "subscriber", number: 1, topics: [0] } as const;
    const watching = await open(protocol, second, other, witness);
    burst(1);
    await witness.until(publicationsPerPublisher);
    const after = await join(second);
    expect(heard.indexes).toEqual(numbered(2 * publicationsPerPublisher));
    // What it got then is not missed again.
    after.cut();
    const last = await join(first);
    expect(heard.indexes).toHaveLength(2 * publicationsPerPublisher);
    burst(2);
    await heard.until(3 * publicationsPerPublisher);
    expect(heard.indexes).toEqual(numbered(3 * publicationsPerPublisher));
    for (const link of [publisher, watching, last]) link.cut();
    await server.stop();
  },
  60_000,
);

// The entry for back ends that only publish, straight into Redis: the checks and the promises of a node's `publish`, without a
// node. Knows no engine and no clients' connections.

import type { BridgeEvents, Position } from "./bridge/bridge.ts";
import { createBridge, startBridge } from "./bridging.ts";
import { resolveOptions } from "./config/config.ts";
import { namespaceAmong } from "./config/namespaces.ts";
import { ConfigError, type InputOptions } from "./config/options.ts";
import { createLog, type Log } from "./log.ts";
import { Publications } from "./requests/publications.ts";
import type { PublishOptions } from "./server.ts";

export type { Position } from "./bridge/bridge.ts";
export { ConfigError, type NamespaceInput } from "./config/options.ts";
export { type ErrorCode, errorRules, FanwireError } from "./errors.ts";
export type { Log } from "./log.ts";
export type { PublishOptions } from "./server.ts";

/** What of a node's options a publisher takes: they have to be the nodes' own, or what it sends is not what they expect. */
export interface PublisherInput extends Pick<InputOptions, "redis" | "namespaces" | "limits"> {
  /** Where it is said that Redis is away or back; by default nowhere, since every publication says so. */
  readonly log?: Log;
}

/** Publishes with every right, like the server API. */
export interface Publisher {
  /**
   * Publishes to every subscriber of a topic. `data`: the JSON data model; it is copied. Resolves to the publication's
   * position once Redis has it, to nothing for a volatile topic, of which nobody hears what became of it. Publications of one
   * turn share a write; those of one topic keep their order.
   *
   * Rejects with a FanwireError: `bad-topic`, `unknown-namespace`, `bad-data`, `mode-mismatch`, `too-large`, `too-many`,
   * `unavailable` (it was not published and may be again), `outcome-unknown` (it may have been: again with the same
   * idempotency key publishes it once), both after `limits.publishTimeoutMs` at the latest, and `draining` after `close`.
   */
  publish(topic: string, data: unknown, options?: PublishOptions): Promise<Position | undefined>;
  /** Publishes to everyone: the topic `broadcast:all`. */
  broadcast(data: unknown, options?: PublishOptions): Promise<Position | undefined>;
  /** Publishes to all devices of a user: the topic `user:<userId>`. */
  sendToUser(userId: string, data: unknown, options?: PublishOptions): Promise<Position | undefined>;
  /** Takes no more, waits for what is on its way, and ends the connections. Repeated calls share one end. */
  close(): Promise<void>;
}

/**
 * Connects to Redis. A Redis that is away is no reason not to: publications wait for it as `redis.queueWhileAway` says.
 * Rejects with a ConfigError for an option that cannot be used, or that contradicts the nodes', and where Redis refuses the
 * password.
 */
export async function createPublisher(input: PublisherInput): Promise<Publisher> {
  const { log = createLog("silent"), ...rest } = input;
  const options = resolveOptions(rest);
  if (!options.redis) throw new ConfigError("redis is missing: a publisher without a server needs it");
  const { namespaces, limits } = options;
  const bridge = createBridge(options, log);
  await startBridge(bridge, deaf, options);
  const publications = new Publications({
    hub: {
      namespace: (topic) => namespaceAmong(namespaces, topic),
      publishVolatile: (topic, publication) => bridge.relay(topic, publication),
    },
    bridge,
    limits,
    now: Date.now,
  });
  const onTheirWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  const publish: Publisher["publish"] = (topic, data, more) => {
    const publishing = publications.publish(topic, data, more);
    onTheirWay.add(publishing);
    const done = () => onTheirWay.delete(publishing);
    publishing.then(done, done);
    return publishing;
  };
  const close = async () => {
    publications.close();
    await Promise.allSettled(onTheirWay);
    await bridge.close();
  };
  return {
    publish,
    broadcast: (data, more) => publish("broadcast:all", data, more),
    sendToUser: (userId, data, more) => publish(`user:${userId}`, data, more),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

const nothing = () => undefined;
/** A publisher joins no topic, so nothing comes to it. */
const deaf: BridgeEvents = {
  joined: nothing,
  deliver: nothing,
  reset: nothing,
  relayed: nothing,
  disconnect: nothing,
  alive: nothing,
  came: nothing,
  went: nothing,
};

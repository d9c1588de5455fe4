// The metrics of the bridge over Redis, by shard; a part of metrics.ts, and nothing where topics are in memory.

import type { ShardCounts } from "../bridge/redis/following.ts";
import type { Link } from "../bridge/redis/link.ts";
import type { OutboxCounts } from "../bridge/redis/outbox.ts";
import type { Metric, Sample } from "./exposition.ts";

/** One Redis, as far as it is measured. */
export interface MeasuredShard {
  readonly link: Pick<Link, "isAlive" | "reconnects" | "roundTripMs">;
  readonly outbox: { readonly counts: Readonly<OutboxCounts> };
  readonly relays: { readonly counts: { readonly sent: number; readonly dropped: number } };
  readonly counts: Readonly<ShardCounts>;
}

export interface MeasuredBridge {
  /** In the order of their addresses. */
  readonly shards: readonly MeasuredShard[];
  /** What waits to be published. */
  readonly budget: { readonly publications: number; readonly bytes: number };
}

interface BridgeRule extends Omit<Metric, "samples"> {
  readonly labels: readonly string[];
  readonly read: (bridge: MeasuredBridge) => readonly Sample[];
}

type Type = Metric["type"];

function single(name: string, help: string, read: (bridge: MeasuredBridge) => number): BridgeRule {
  return { name, type: "gauge", help, labels: [], read: (bridge) => [{ value: read(bridge) }] };
}

function byShard(name: string, type: Type, help: string, read: (shard: MeasuredShard) => number): BridgeRule {
  const samples = ({ shards }: MeasuredBridge) => {
    return shards.map((shard, index) => ({ labels: { shard: String(index) }, value: read(shard) }));
  };
  return { name, type, help, labels: ["shard"], read: samples };
}

export const bridgeRules: readonly BridgeRule[] = [
  byShard(
    "fanwire_bridge_shard_alive",
    "gauge",
    "1 while messages of this node's own are proven to go through that Redis and back; its shard is the place of its address.",
    ({ link }) => Number(link.isAlive),
  ),
  byShard(
    "fanwire_bridge_reconnects_total",
    "counter",
    "Times that the connections to Redis were lost or did not come about.",
    ({ link }) => link.reconnects,
  ),
  byShard(
    "fanwire_bridge_round_trip_seconds",
    "gauge",
    "How long the last probe took through Redis and back, as this node's event loop saw it.",
    ({ link }) => link.roundTripMs / 1000,
  ),
  single(
    "fanwire_bridge_queued_publications",
    "Publications of this node that wait for Redis, those under way included.",
    ({ budget }) => budget.publications,
  ),
  single("fanwire_bridge_queued_bytes", "Bytes of them.", ({ budget }) => budget.bytes),
  byShard(
    "fanwire_bridge_batches_total",
    "counter",
    "Batches of publications that Redis accepted; divide the publications by it for their size.",
    ({ outbox }) => outbox.counts.batches,
  ),
  byShard(
    "fanwire_bridge_publications_total",
    "counter",
    "Publications in these batches that were made, not repeated ones under an idempotency key.",
    ({ outbox }) => outbox.counts.publications,
  ),
  byShard(
    "fanwire_bridge_published_bytes_total",
    "counter",
    "Bytes of these batches, as packed for Redis.",
    ({ outbox }) => outbox.counts.bytes,
  ),
  byShard(
    "fanwire_bridge_repeated_batches_total",
    "counter",
    "Batches that were sent again because the connection ended before their answer came.",
    ({ outbox }) => outbox.counts.repeated,
  ),
  byShard(
    "fanwire_bridge_relays_total",
    "counter",
    "Volatile publications handed on to the other nodes.",
    ({ relays }) => relays.counts.sent,
  ),
  byShard(
    "fanwire_bridge_dropped_relays_total",
    "counter",
    "Volatile publications that the other nodes missed because Redis was away or slow.",
    ({ relays }) => relays.counts.dropped,
  ),
  byShard(
    "fanwire_bridge_malformed_envelopes_total",
    "counter",
    "Messages in this deployment's channels that no node of this release can have written; they are ignored.",
    ({ counts }) => counts.malformedEnvelopes,
  ),
  byShard(
    "fanwire_bridge_checks_total",
    "counter",
    "Topics that Redis was asked about only because they had been silent.",
    ({ counts }) => counts.checks,
  ),
  byShard(
    "fanwire_bridge_gaps_total",
    "counter",
    "Times that something of a topic was found missing and was asked for.",
    ({ counts }) => counts.gaps,
  ),
  byShard(
    "fanwire_bridge_caught_up_publications_total",
    "counter",
    "Publications and values that came by asking, because they had not come by the channel.",
    ({ counts }) => counts.caughtUp,
  ),
  {
    name: "fanwire_bridge_resets_total",
    type: "counter",
    help: "Topics whose continuity ended: in a new `epoch`, because Redis may have lost writes, beyond `history`, or because Redis was `inconsistent`.",
    labels: ["shard", "cause"],
    read: ({ shards }) => {
      return shards.flatMap(({ counts }, index) => {
        const causes = Object.entries(counts.resets);
        return causes.map(([cause, value]) => ({ labels: { shard: String(index), cause }, value }));
      });
    },
  },
];

// What a node tells Prometheus: one table of all metrics. The rooms count in plain fields of their own, and this reads them
// when it is asked. No label names a topic or a user, so a scrape's size does not depend on how many there are.

import { type BufferSampler, socketsPerTick } from "../connections/buffer-sampler.ts";
import type { ConnectionCounts } from "../connections/connection-counts.ts";
import type { Connections } from "../connections/connections.ts";
import type { DeliveryCounts } from "../hub/delivery-counts.ts";
import type { Hub } from "../hub/hub.ts";
import type { ByFormat } from "../wire/format.ts";
import type { Mode } from "../wire/frames.ts";
import { json } from "../wire/json.ts";
import { msgpack } from "../wire/msgpack.ts";
import { sse } from "../wire/sse.ts";
import { bridgeRules, type MeasuredBridge } from "./bridge-metrics.ts";
import { EventLoopDelay } from "./event-loop-delay.ts";
import { expose, histogramSamples, type Metric, type Sample } from "./exposition.ts";

/** A node, as far as it is measured. */
export interface Measured {
  readonly engine: "bun" | "uws";
  readonly nodeId: string;
  readonly version: string;
  /** When it was created, on the clock of `performance.now`. */
  readonly sinceMs: number;
  readonly hub: Pick<Hub, "counts" | "deliveries" | "topicCount" | "bridgeIsAlive"> & {
    readonly feeder: Pick<Hub["feeder"], "behindCount" | "resyncsBegun" | "resyncsEnded" | "resets">;
    readonly recovery: Pick<Hub["recovery"], "counts">;
  };
  /** Absent where topics are in memory. */
  readonly bridge?: MeasuredBridge | undefined;
  readonly connections: Pick<Connections, "isDraining"> & {
    readonly counts: ConnectionCounts;
    readonly buffers: Pick<BufferSampler, "sumBytes" | "maxBytes">;
  };
  readonly delay: Pick<EventLoopDelay, "counts" | "sumSeconds">;
  /** Publications that were accepted here, by who made them. */
  readonly accepted: Readonly<Record<"client" | "server", Readonly<Record<Mode, number>>>>;
}

interface Rule extends Omit<Metric, "samples"> {
  readonly labels: readonly string[];
  readonly read: (node: Measured) => readonly Sample[];
}

type Type = Metric["type"];

/** A metric of one value. */
function single(name: string, type: Type, help: string, read: (node: Measured) => number): Rule {
  return { name, type, help, labels: [], read: (node) => [{ value: read(node) }] };
}

/** A metric with one label. */
function labelled<Name extends string>(
  name: string,
  type: Type,
  help: string,
  label: string,
  read: (node: Measured) => Readonly<Record<Name, number>>,
): Rule {
  const samples = (node: Measured) => {
    return Object.entries<number>(read(node)).map(([key, value]) => ({ labels: { [label]: key }, value }));
  };
  return { name, type, help, labels: [label], read: samples };
}

/** A metric of what is counted by wire format. */
function byFormat(
  name: string,
  type: Type,
  help: string,
  read: (counts: ConnectionCounts) => ByFormat,
): Rule {
  return labelled(name, type, help, "format", (node) => formats(read(node.connections.counts)));
}

/** A metric of what is counted by mode and wire format. */
function byModeAndFormat(
  name: string,
  type: Type,
  help: string,
  read: (node: Measured, mode: Mode) => ByFormat,
): Rule {
  const samples = (node: Measured) => {
    return modes.flatMap((mode) => withFormats({ mode }, read(node, mode)));
  };
  return { name, type, help, labels: ["mode", "format"], read: samples };
}

const modes: readonly Mode[] = ["volatile", "stream", "latest"];

function formats(counts: ByFormat): Record<string, number> {
  return { json: counts[json.index]!, msgpack: counts[msgpack.index]!, sse: counts[sse.index] };
}

function withFormats(labels: Readonly<Record<string, string>>, counts: ByFormat): Sample[] {
  return Object.entries(formats(counts)).map(([format, value]) => ({ labels: { ...labels, format }, value }));
}

const rules: readonly Rule[] = [
  {
    name: "fanwire_connections",
    type: "gauge",
    help: "Connections; `sse` are event streams, the others WebSockets.",
    labels: ["engine", "format"],
    read: ({ engine, connections }) => withFormats({ engine }, connections.counts.open),
  },
  byFormat(
    "fanwire_connections_opened_total",
    "counter",
    "WebSocket handshakes and requests for event streams that succeeded.",
    (counts) => counts.opened,
  ),
  labelled(
    "fanwire_connections_refused_total",
    "counter",
    "WebSocket handshakes and requests for event streams that were refused, by the error's code.",
    "reason",
    ({ connections }) => connections.counts.refused,
  ),
  labelled(
    "fanwire_connections_closed_total",
    "counter",
    "Connections that ended: by the server with that reason, by the `client` (of event streams all others), or `lost` without a close frame.",
    "reason",
    ({ connections }) => connections.counts.ended,
  ),
  byFormat(
    "fanwire_received_frames_total",
    "counter",
    "Frames from clients, well-formed or not.",
    (counts) => counts.frames,
  ),
  byFormat(
    "fanwire_received_bytes_total",
    "counter",
    "Payloads of frames from clients.",
    (counts) => counts.frameBytes,
  ),
  labelled(
    "fanwire_errors_total",
    "counter",
    "Error frames sent to connected clients, by code.",
    "code",
    ({ connections }) => connections.counts.errors,
  ),
  single("fanwire_topics", "gauge", "Topics this node listens to.", ({ hub }) => hub.topicCount),
  byModeAndFormat(
    "fanwire_subscriptions",
    "gauge",
    "Subscriptions of connections to topics, those joined by the server included.",
    ({ hub }, mode) => hub.counts.subscriptions[mode],
  ),
  {
    name: "fanwire_accepted_publications_total",
    type: "counter",
    help: "Publications accepted by this node, from a `client` or from the `server` and its API.",
    labels: ["mode", "source"],
    read: ({ accepted }) => {
      return Object.entries(accepted).flatMap(([source, counts]) => {
        return modes.map((mode) => ({ labels: { mode, source }, value: counts[mode] }));
      });
    },
  },
  labelled(
    "fanwire_publications_total",
    "counter",
    "Publications, whichever node accepted them, of topics this node listens to.",
    "mode",
    ({ hub }) => hub.counts.publications,
  ),
  {
    name: "fanwire_deliveries_total",
    type: "counter",
    help: "Publications and announcements times the subscribers they were sent to: `native`, published to all at once (event streams: the same block written to each), or `fed`, sent to one that was joining or behind.",
    labels: ["mode", "format", "path"],
    read: ({ hub }) => {
      return modes.flatMap((mode) => [
        ...withFormats({ mode, path: "native" }, hub.deliveries[mode].native),
        ...withFormats({ mode, path: "fed" }, hub.deliveries[mode].fed),
      ]);
    },
  },
  byModeAndFormat(
    "fanwire_published_bytes_total",
    "counter",
    "Payloads published to all at once, each once however many subscribers it had.",
    ({ hub }, mode) => hub.deliveries[mode].publishedBytes,
  ),
  byModeAndFormat(
    "fanwire_delivered_bytes_total",
    "counter",
    "Payloads times the subscribers they were sent to; WebSocket framing and answers' own fields are not in it.",
    ({ hub }, mode) => hub.deliveries[mode].deliveredBytes,
  ),
  single(
    "fanwire_dropped_deliveries_total",
    "counter",
    "Volatile publications times the subscribers who missed them because they were behind.",
    ({ hub }) => sum(hub.deliveries, ({ missed }) => missed),
  ),
  single(
    "fanwire_connections_behind",
    "gauge",
    "Connections that are fed one by one at the moment: slow ones, and ones that recover.",
    ({ hub }) => hub.feeder.behindCount,
  ),
  labelled(
    "fanwire_resyncs_begun_total",
    "counter",
    "Connections that fell behind: in a `recovery`, because they were `slow`, or for a snapshot after a `reset`.",
    "cause",
    ({ hub }) => hub.feeder.resyncsBegun,
  ),
  labelled(
    "fanwire_resyncs_ended_total",
    "counter",
    "Connections that were behind and are not any more: they caught up, or left first.",
    "outcome",
    ({ hub }) => hub.feeder.resyncsEnded,
  ),
  labelled(
    "fanwire_recoveries_total",
    "counter",
    "Subscriptions to `stream` and `latest` topics by what became of their `since`: continued out of the `ring` or `history`, begun after a `snapshot`, `reset` because it could not be continued, `none` where there was none.",
    "outcome",
    ({ hub }) => hub.recovery.counts,
  ),
  labelled(
    "fanwire_resets_total",
    "counter",
    "Times that continuity ended after a subscription had begun: of a whole `topic`, or of one `connection`.",
    "scope",
    ({ hub }) => ({ topic: hub.counts.resets, connection: hub.feeder.resets }),
  ),
  single(
    "fanwire_buffered_bytes",
    "gauge",
    `Bytes that wait in all sockets, sampled: ${socketsPerTick} connections are looked at per second, and this is the last whole round's.`,
    ({ connections }) => connections.buffers.sumBytes,
  ),
  single(
    "fanwire_buffered_max_bytes",
    "gauge",
    "Bytes that wait in the fullest socket, sampled like fanwire_buffered_bytes.",
    ({ connections }) => connections.buffers.maxBytes,
  ),
  single("fanwire_bridge_alive", "gauge", "1 while the bridge between nodes is proven alive.", ({ hub }) =>
    Number(hub.bridgeIsAlive),
  ),
  ...bridgeRules.map((rule): Rule => ({ ...rule, read: ({ bridge }) => (bridge ? rule.read(bridge) : []) })),
  single("fanwire_draining", "gauge", "1 while the node is closing.", ({ connections }) =>
    Number(connections.isDraining),
  ),
  {
    name: "fanwire_event_loop_delay_seconds",
    type: "histogram",
    help: "The longest delay in each second of a timer that fires every 100 ms; its count is seconds.",
    labels: ["le"],
    read: ({ delay }) => histogramSamples(EventLoopDelay.boundsSeconds, delay.counts, delay.sumSeconds),
  },
  single(
    "fanwire_uptime_seconds",
    "gauge",
    "How long this node has been running.",
    ({ sinceMs }) => (performance.now() - sinceMs) / 1000,
  ),
  {
    name: "fanwire_build_info",
    type: "gauge",
    help: "Always 1; its labels say what runs.",
    labels: ["version", "engine", "runtime", "node"],
    read: ({ version, engine, nodeId }) => {
      return [{ labels: { version, engine, runtime: runtime(), node: nodeId }, value: 1 }];
    },
  },
  // By the names that Prometheus' own client libraries give them, so that anybody's dashboards know them.
  single("process_resident_memory_bytes", "gauge", "Resident memory of the process.", () =>
    process.memoryUsage.rss(),
  ),
  single("fanwire_heap_used_bytes", "gauge", "JavaScript heap in use.", () => process.memoryUsage().heapUsed),
  single("process_cpu_seconds_total", "counter", "User and system CPU time of the process.", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }),
  single(
    "process_start_time_seconds",
    "gauge",
    "When the process started, as Unix time.",
    () => performance.timeOrigin / 1000,
  ),
];

/** The answer to a scrape. */
export function exposeMetrics(node: Measured): string {
  return expose(rules.map(({ name, type, help, read }) => ({ name, type, help, samples: read(node) })));
}

/** Every metric, for the README's table. */
export function describeMetrics(): readonly Pick<Rule, "name" | "type" | "help" | "labels">[] {
  return rules;
}

function sum(
  deliveries: Readonly<Record<Mode, DeliveryCounts>>,
  count: (counts: DeliveryCounts) => number,
): number {
  return modes.reduce((total, mode) => total + count(deliveries[mode]), 0);
}

/** What the node runs in. */
export function runtime(): string {
  const { bun } = process.versions;
  return bun === undefined ? `node ${process.versions.node}` : `bun ${bun}`;
}

// The configuration of HAProxy for given nodes, from the template beside it. The command, the local cluster and the tests share it.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { limitRules } from "../src/config/limits.ts";

/** A node as HAProxy knows it. */
export interface ProxiedNode {
  /** Its place on the ring, 1 to 4095. It stays the same for as long as the node is known, whoever else comes or goes. */
  readonly id: number;
  /** `host:port`. */
  readonly address: string;
}

export interface ProxyOptions {
  readonly nodes: readonly ProxiedNode[];
  /** Where clients connect. */
  readonly bind: string;
  /** A file with certificate and key in PEM, or a folder of such. Absent: plain, for tests and behind another one that ends TLS. */
  readonly certificate?: string;
  /** Where Prometheus is answered. */
  readonly metricsBind: string;
  readonly runtimeSocket: string;
  /** Where log lines go, as HAProxy's `log` wants it. */
  readonly log: string;
  readonly maxConnections: number;
  /** Of one address: open at a time, and opened in ten seconds. */
  readonly connectionsPerAddress: number;
  readonly connectionRate: number;
  /**
   * The most of its even share of connections that a node gets, in percent; 0: any. It is raised where the other nodes could
   * not take one node's clients over.
   */
  readonly balancePercent: number;
  /** How long the old process of a reload may live, in HAProxy's units. */
  readonly hardStop: string;
  /** Whether `/api` can be reached from outside; its keys are asked for by the nodes. */
  readonly hasApi: boolean;
  /** The nodes' heartbeat, where it is not the usual one. */
  readonly heartbeatMs: number;
  readonly heartbeatTimeoutMs: number;
}

export const proxyDefaults = {
  bind: "127.0.0.1:8080",
  metricsBind: "127.0.0.1:8404",
  runtimeSocket: "/run/haproxy/admin.sock",
  log: "/dev/log local0",
  maxConnections: 50_000,
  connectionsPerAddress: 2000,
  connectionRate: 500,
  balancePercent: 150,
  hardStop: "30m",
  hasApi: false,
  heartbeatMs: limitRules.heartbeatMs.default,
  heartbeatTimeoutMs: limitRules.heartbeatTimeoutMs.default,
} as const satisfies Omit<ProxyOptions, "nodes">;

/** Nodes comment on event streams this often. */
const sseCommentMs = 15_000;
/** Two of every heartbeat's intervals may go by, and a little more for the way. */
const slackMs = 5000;

export function renderProxy(given: Partial<ProxyOptions> & Pick<ProxyOptions, "nodes">): string {
  const options: ProxyOptions = { ...proxyDefaults, ...given };
  const { heartbeatMs, heartbeatTimeoutMs, hasApi, certificate } = options;
  const balancePercent = balanceOf(options);
  const silenceMs = 2 * (heartbeatMs + heartbeatTimeoutMs) + slackMs;
  const values: Record<string, string> = {
    maxConnections: `${options.maxConnections}`,
    hardStop: options.hardStop,
    runtimeSocket: options.runtimeSocket,
    log: options.log,
    silence: `${Math.max(silenceMs, 3 * sseCommentMs)}ms`,
    sseCommentSeconds: `${sseCommentMs / 1000}`,
    heartbeatSeconds: `${heartbeatMs / 1000}`,
    heartbeatTimeoutSeconds: `${heartbeatTimeoutMs / 1000}`,
    bind: `${options.bind}${certificate === undefined ? "" : tls(certificate)}`,
    connectionRate: `${options.connectionRate}`,
    connectionsPerAddress: `${options.connectionsPerAddress}`,
    balancePercent: balancePercent === 0 ? "any multiple" : `${balancePercent} %`,
    balanceFactor: balancePercent === 0 ? "" : `    hash-balance-factor ${balancePercent}\n`,
    neverBare503,
    sockets: servers(options.nodes),
    // One check decides for both: it is asked once per node.
    streams: servers(options.nodes, "sockets"),
    socketsDegraded: servers(options.nodes),
    streamsDegraded: servers(options.nodes, "sockets_degraded"),
    apiRoute: hasApi ? apiRoute : "",
    useApi: hasApi ? "    use_backend api if is_api\n" : "",
    unlessApi: hasApi ? " !is_api" : "",
    api: hasApi ? `${api}\n${servers(options.nodes, "sockets")}\n` : "",
    metricsBind: options.metricsBind,
  };
  return template().replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the template asks for ${name}`);
    return value;
  });
}

/** What one node of several may have so that the others have room for all of its clients: n / (n - 1), or more. */
function balanceOf({ nodes, balancePercent }: ProxyOptions): number {
  if (balancePercent === 0 || nodes.length === 1) return 0;
  return Math.max(balancePercent, Math.ceil((100 * nodes.length) / (nodes.length - 1)));
}

function template(): string {
  return readFileSync(join(import.meta.dirname, "haproxy.cfg"), "utf8");
}

/** HTTP/2 for event streams, of which a browser has but six per host in HTTP/1.1. Tickets would need a key to rotate. */
function tls(certificate: string): string {
  return ` ssl crt ${certificate} alpn h2,http/1.1 ssl-min-ver TLSv1.2 no-tls-tickets`;
}

function servers(nodes: readonly ProxiedNode[], tracked?: string): string {
  const lines = nodes.map(({ id, address }) => {
    const name = `n${id}`;
    const judged = tracked === undefined ? "check" : `track ${tracked}/${name}`;
    return `    server ${name} ${address} id ${id} ${judged}`;
  });
  return lines.join("\n");
}

/** Of the template's back ends for event streams. */
const neverBare503 = `    # A browser gives up on a stream for ever that is answered with anything but 200: so it is told to come back, where every
    # node that was asked refuses it for a while, and where HAProxy itself has none to ask.
    http-response return status 200 content-type text/event-stream string "retry: 3000\\n\\n" if { status 503 }
    http-error status 503 content-type text/event-stream string "retry: 3000\\n\\n"
    http-after-response set-status 200 if { status 503 }
`;

const apiRoute = `    # The server API, for back ends elsewhere. Nodes ask for its keys.
    acl is_api path_beg /api/
`;

const api = `
# The server API from outside.
backend api from nodes
    balance random
    # What is published may have happened though nothing came back: that is for the caller to judge, by an idempotency key.
    retry-on conn-failure`;

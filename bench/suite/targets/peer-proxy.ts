// HAProxy before a peer's nodes: what any WebSocket server needs and nothing that only fanwire has.

import { maxProxied } from "./cluster.ts";

/** Clients speak WebSocket alone, so no peer needs them to come back to the same node. */
export const renderPeerProxy = (port: number, nodePorts: readonly number[]): string => `global
  maxconn ${maxProxied}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  option redispatch
frontend clients
  bind 127.0.0.1:${port}
  default_backend nodes
backend nodes
  balance leastconn
${nodePorts.map((nodePort, i) => `  server node${i + 1} 127.0.0.1:${nodePort} check`).join("\n")}
`;

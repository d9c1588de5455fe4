// What the protocol's suites have in common: the server most of them share, and how a test connects to it.

import { afterEach } from "bun:test";
import type { InputOptions } from "../../../src/server.ts";
import type { EngineName } from "../../support/engine-host.ts";
import { dropPeers, type FormatName, Peer, type PeerOptions } from "../../support/peer.ts";
import { served } from "../../support/served.ts";
import { secret, tokenFor } from "../../support/token.ts";

export type ProtocolSuite = (engine: EngineName, format: FormatName) => void;

/** Rooms for every kind of topic. The ring is short, so that recoveries reach behind it into history. */
const options: InputOptions = {
  jwtSecret: secret,
  nodeId: "under-test",
  namespaces: {
    tiny: { mode: "stream", history: { size: 5 } },
    open: { mode: "stream", subscribe: "members", publish: "members" },
    cursor: { mode: "volatile", subscribe: "members", publish: "members" },
    news: { mode: "stream", subscribe: "members", publish: "none" },
    closed: { mode: "stream", subscribe: "none" },
    frames: { mode: "volatile", binary: true },
    files: { mode: "stream", binary: true },
    small: { mode: "volatile", maxPublishBytes: 200 },
  },
  limits: { ringPublications: 8, frameBurst: 100_000 },
};

export interface Setting {
  readonly port: number;
  signal(name: "SIGSTOP" | "SIGCONT"): void;
  /** Connects, by default in the suite's format as `ann`, who may do everything. */
  connect(options?: PeerOptions): Promise<Awaited<ReturnType<typeof Peer.connect>>>;
}

/** To be called once in a describe block. */
export function setting(engine: EngineName, format: FormatName, more: InputOptions = options): Setting {
  const server = served(engine, more);
  afterEach(dropPeers);
  return {
    get port() {
      return server.port;
    },
    signal: (name) => server.signal(name),
    connect: (own = {}) => Peer.connect(server.port, { format, token: tokenFor("ann"), ...own }),
  };
}

export function as(userId: string): { readonly token: string } {
  return { token: tokenFor(userId) };
}

/** Numbers from 1. */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}

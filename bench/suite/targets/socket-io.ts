// Socket.IO as targets: with its default parser, with MessagePack, and on uWebSockets.js instead of `ws`.

import type { Target } from "../target.ts";
import { startCluster } from "./cluster.ts";
import { missingPackage, startPeer, versionsOf } from "./peer-packages.ts";
import { renderPeerProxy } from "./peer-proxy.ts";

interface Variant {
  readonly name: string;
  readonly isVariant?: boolean;
  readonly protocol: string;
  readonly parser: "default" | "msgpack";
  readonly engine: "ws" | "uws";
}

function packagesOf({ parser, engine }: Variant): string[] {
  return [
    "socket.io",
    "@socket.io/redis-adapter",
    "ioredis",
    ...(parser === "msgpack" ? ["socket.io-msgpack-parser"] : []),
    ...(engine === "ws" ? ["ws", "bufferutil"] : []),
  ];
}

function socketIo(variant: Variant): Target {
  const { name, isVariant = true, protocol, parser, engine } = variant;
  const packages = packagesOf(variant);
  return {
    name,
    kind: "peer",
    isVariant,
    protocol,
    unavailable: async () => missingPackage(packages),
    supports: ({ nodes, bridge }) => bridge === "redis" || nodes === 1,
    start: (deployment, placement) => {
      const startNode = (redisUrl: string | undefined, core: number) =>
        startPeer("socket-io/server.mjs", { redisUrl, parser, engine }, core);
      // The project's own development dependency.
      const versions = versionsOf(engine === "uws" ? [...packages, "uWebSockets.js"] : packages);
      const settings = settingsOf(variant);
      return startCluster(
        { startNode, renderProxy: renderPeerProxy, settings, versions },
        deployment,
        placement,
      );
    },
  };
}

/** What its pages on performance tuning and memory usage advise, as far as it applies to a server. */
function settingsOf({ parser, engine }: Variant): Record<string, unknown> {
  return {
    transports: "websocket alone",
    engine: engine === "uws" ? "uWebSockets.js (attachApp), rooms are native topics" : "ws with bufferutil",
    ...(engine === "uws" && { maxBackpressure: "64 MiB; the default, 1 MiB, drops silently" }),
    parser,
    perMessageDeflate: "off (default)",
    adapter:
      "with a Redis the sharded one, which is recommended, static, over ioredis; else the one in memory",
    request: "null after the handshake",
    serveClient: false,
    promises: "at most once; no connection state recovery, which the Redis adapter does not support",
    environment: "NODE_ENV=production",
  };
}

const variants: readonly Variant[] = [
  { name: "socket.io", isVariant: false, protocol: "socket.io", parser: "default", engine: "ws" },
  { name: "socket.io-msgpack", protocol: "socket.io-msgpack", parser: "msgpack", engine: "ws" },
  { name: "socket.io-uws", isVariant: false, protocol: "socket.io", parser: "default", engine: "uws" },
];

export const socketIoTargets: readonly Target[] = variants.map(socketIo);

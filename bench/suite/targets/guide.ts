// The guide's design as a target: `ws` and two Redis connections on Node.js. It goes through Redis even with
// one node.

import { guideSecret } from "../protocols/guide.ts";
import type { Target } from "../target.ts";
import { startCluster } from "./cluster.ts";
import { missingPackage, startPeer, versionsOf } from "./peer-packages.ts";
import { renderPeerProxy } from "./peer-proxy.ts";

const packages = ["ws", "ioredis", "bufferutil"];

const settings = {
  redis: "one of its own even for a single node: the design has no delivery without it",
  perMessageDeflate: "off (default of ws)",
  database: "none: storing a message before it is sent is left out, in its favour",
  identity: "one user per connection, by an HS256 token in the query",
  joined: "a room:joined message answers a join, which the design does not have and the generator needs",
  promises: "at most once; what is published while Redis is away is lost",
  environment: "NODE_ENV=production",
};

export const guide: Target = {
  name: "guide",
  kind: "peer",
  protocol: "guide",
  unavailable: async () => missingPackage(packages),
  supports: ({ nodes, bridge }) => bridge === "redis" || nodes === 1,
  start: (deployment, placement) => {
    const startNode = (redisUrl: string | undefined, core: number) =>
      startPeer("guide/server.mjs", { redisUrl, secret: guideSecret }, core);
    const parts = { startNode, renderProxy: renderPeerProxy, settings, versions: versionsOf(packages) };
    return startCluster(parts, { ...deployment, bridge: "redis" }, placement);
  },
};

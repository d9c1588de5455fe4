// What a hostile client may take, through HAProxy: the same cases as directly, on both engines.

import { describe, setDefaultTimeout } from "bun:test";
import { abuse } from "./contract/protocol/abuse.ts";
import { Haproxy } from "./support/haproxy.ts";
import { type Reached, startServer } from "./support/served.ts";

setDefaultTimeout(20_000);

for (const engine of ["bun", "uws"] as const) {
  describe(`through HAProxy to a node on ${engine}`, () => {
    abuse(engine, { start: startBehind, tooLarge: 400 });
  });
}

async function startBehind(...[engine, options]: Parameters<typeof startServer>): Promise<Reached> {
  const server = await startServer(engine, { ...options, trustedProxies: ["127.0.0.1"] });
  const haproxy = await Haproxy.start([server.port]);
  // Without keys to verify tokens with it is not ready, and reached all the same.
  await haproxy.sees(1, "UP", "sockets_degraded");
  return {
    port: haproxy.port,
    signal: (name) => server.signal(name),
    kill: async () => {
      await haproxy.end();
      await server.kill();
    },
  };
}

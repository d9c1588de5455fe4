// The second listener: what is not for clients moves to it, and nothing else is there.

import { describe, expect, test } from "bun:test";
import { ApiClient, apiKey } from "../../support/api-client.ts";
import { Peer } from "../../support/peer.ts";
import { secret, tokenFor } from "../../support/token.ts";
import { refusal } from "../../support/websocket.ts";
import type { ApiSetting } from "../api.ts";

export function adminListener(setting: ApiSetting): void {
  describe("a second listener", () => {
    test("has the API, which the first one then has not, and no sockets", async () => {
      const server = await setting.start({ jwtSecret: secret, apiKeys: [apiKey], adminPort: 0 });
      const { port, adminPort = 0 } = server;
      expect(adminPort).toBeGreaterThan(0);
      expect(adminPort).not.toBe(port);
      const [client, admin] = [new ApiClient(port), new ApiClient(adminPort)];

      const peer = await Peer.connect(port, { token: tokenFor("ann") });
      await peer.request({ type: "subscribe", topic: "room:1" });
      expect(await admin.post("/api/publish", { topic: "room:1", data: 1 })).toMatchObject({ offset: 1 });
      expect(await peer.messages(1)).toMatchObject([{ data: 1 }]);
      expect((await admin.request("GET", "/api/stats", { key: null })).status).toBe(401);
      for (const path of ["/api/stats", "/api/publish", "/metrics", "/"]) {
        expect([path, (await client.request("GET", path)).status]).toEqual([path, 404]);
      }

      const handshake = { path: "/ws", headers: [["Authorization", `Bearer ${tokenFor("ann")}`]] as const };
      expect((await refusal(adminPort, handshake)).status).toBe(404);
      expect((await admin.request("GET", "/ws")).status).toBe(404);
      for (const each of [client, admin]) {
        for (const path of ["/health", "/ready"]) {
          expect((await each.request("GET", path, { key: null })).status).toBe(200);
        }
      }
      // Whoever reaches it may read metrics.
      expect((await admin.request("GET", "/metrics", { key: null })).status).toBe(200);
      await server.stop();
    });

    test("has no API either where there is no key", async () => {
      const server = await setting.start({ jwtSecret: secret, adminPort: 0 });
      expect((await new ApiClient(server.adminPort!).request("GET", "/api/stats")).status).toBe(404);
      await server.stop();
    });

    test("that cannot be had stops the start", async () => {
      const other = await setting.start({ jwtSecret: secret });
      const options = { jwtSecret: secret, adminPort: other.port };
      const refused = await setting.start(options).catch((error: Error & { code?: string }) => {
        return `${error.code} ${error.message}`;
      });
      expect(refused).toMatch(/FANWIRE_ADMIN_PORT|EADDRINUSE/);
      await other.stop();
    });
  });

  test("a second listener on loopback answers only by a name of this machine, but health to every name", async () => {
    const server = await setting.start({
      jwtSecret: secret,
      apiKeys: [apiKey],
      adminPort: 0,
      console: true,
    });
    const admin = new ApiClient(server.adminPort!);
    const paths = ["/api/stats", "/metrics", "/", "/console/state"];
    for (const path of paths) expect((await admin.request("GET", path)).status).toBe(200);
    const foreign: Record<string, string>[] = [
      { host: "evil.example" },
      { host: "evil.example", origin: "http://evil.example" },
      { origin: "https://evil.example" },
    ];
    for (const headers of foreign) {
      for (const path of paths) {
        expect([path, ...(await admin.failure("GET", path, { headers }))]).toEqual([path, 403, "forbidden"]);
      }
    }
    for (const path of ["/health", "/ready"]) {
      expect((await admin.request("GET", path, { headers: { host: "evil.example" } })).status).toBe(200);
    }
    await server.stop();
  });

  test("in development mode the API answers only by a name of this machine", async () => {
    const server = await setting.start({ apiKeys: [apiKey] });
    const api = new ApiClient(server.port);
    expect((await api.request("GET", "/api/stats")).status).toBe(200);
    const foreign: Record<string, string>[] = [{ host: "evil.example" }, { origin: "https://evil.example" }];
    for (const headers of foreign) {
      expect(await api.failure("GET", "/api/stats", { headers })).toEqual([403, "forbidden"]);
    }
    await server.stop();
  });
}

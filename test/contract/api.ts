// What the server API promises, over real sockets: in this process, and with either engine as a process of its own.

import { afterAll, afterEach, beforeAll, describe } from "bun:test";
import type { InputOptions } from "../../src/server.ts";
import { ApiClient, apiKey, otherKey } from "../support/api-client.ts";
import { dropPeers, type FormatName, Peer } from "../support/peer.ts";
import { secret, tokenFor } from "../support/token.ts";
import { adminListener } from "./api/admin-listener.ts";
import { batches } from "./api/batches.ts";
import { draining } from "./api/draining.ts";
import { hostileBodies } from "./api/hostile-bodies.ts";
import { negotiation } from "./api/negotiation.ts";
import { publishing } from "./api/publishing.ts";
import { reading } from "./api/reading.ts";
import { users } from "./api/users.ts";

export interface RunningServer {
  readonly port: number;
  /** Of the second listener, if there is one. */
  readonly adminPort: number | undefined;
  /** Begins an orderly end and does not wait for it. */
  drain(): void;
  stop(): Promise<unknown>;
}

export type StartServer = (options: InputOptions) => Promise<RunningServer>;

/** What the suites have at hand within tests. */
export interface ApiSetting {
  readonly start: StartServer;
  readonly format: FormatName;
  readonly port: number;
  readonly api: ApiClient;
  /** Connects to the same server, by default in the suite's format. */
  peer(userId: string, format?: FormatName): ReturnType<typeof Peer.connect>;
}

export type ApiSuite = (setting: ApiSetting) => void;

/** What the suites' server has. Bodies are small, so that too large ones are. */
export const apiOptions: InputOptions = {
  jwtSecret: secret,
  apiKeys: [apiKey, otherKey],
  nodeId: "under-test",
  namespaces: {
    files: { mode: "stream", binary: true },
    small: { mode: "stream", maxPublishBytes: 200 },
    closed: { mode: "stream", subscribe: "none", publish: "none" },
  },
  limits: {
    maxBodyBytes: 20_000,
    maxBatchPublications: 50,
    maxHistoryLimit: 20,
    maxDataDepth: 16,
    maxDataValues: 500,
  },
};

/** Declares the whole suite; `name` says where the server runs. */
export function apiContract(name: string, start: StartServer): void {
  describe(name, () => {
    let server: RunningServer;
    beforeAll(async () => {
      server = await start(apiOptions);
    });
    afterAll(() => server.stop());
    afterEach(dropPeers);
    for (const format of ["json", "msgpack"] as const) {
      const setting: ApiSetting = {
        start,
        format,
        get port() {
          return server.port;
        },
        get api() {
          return new ApiClient(server.port, format);
        },
        peer: (userId, own = format) => Peer.connect(server.port, { format: own, token: tokenFor(userId) }),
      };
      describe(`the API in ${format}`, () => {
        for (const suite of [publishing, batches, users, reading, hostileBodies]) suite(setting);
        if (format === "msgpack") return;
        for (const suite of [negotiation, adminListener, draining]) suite(setting);
      });
    }
  });
}

// The API of a node that is closing: it refuses, so that whoever asks goes to another one.

import { expect, test } from "bun:test";
import { apiKey, codeOf } from "../../support/api-client.ts";
import { HttpConnection, head, posted } from "../../support/http.ts";
import { Peer } from "../../support/peer.ts";
import { secret, tokenFor } from "../../support/token.ts";
import type { ApiSetting } from "../api.ts";

/** So many are closed over a third of a second: the time that the test has. */
const clients = 400;

export function draining(setting: ApiSetting): void {
  test("a draining node answers 503 `draining` with Retry-After, but only to who has a key", async () => {
    const server = await setting.start({ jwtSecret: secret, apiKeys: [apiKey] });
    const token = tokenFor("ann");
    const connecting = Array.from({ length: clients }, () => Peer.connect(server.port, { token }));
    const [peer] = await Promise.all(connecting);
    const connection = await HttpConnection.open(server.port);
    const authorization = `Authorization: Bearer ${apiKey}`;
    const publish = posted("/api/publish", '{"topic":"room:1","data":1}', authorization);
    connection.write(publish);
    expect((await connection.answer())?.status).toBe(200);

    server.drain();
    await peer!.take("closing");
    connection.write(
      Buffer.concat([
        publish,
        Buffer.from(head("GET", "/api/stats", authorization) + head("GET", "/api/stats")),
      ]),
    );
    for (let i = 0; i < 2; i++) {
      const answer = await connection.answer();
      expect([answer?.status, answer?.headers.get("retry-after")]).toEqual([503, "2"]);
      expect(codeOf(JSON.parse(String(answer?.body)))).toBe("draining");
    }
    expect((await connection.answer())?.status).toBe(401);
    connection.destroy();
    await server.stop();
  });
}

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
  test("a draining node still answers a request that had begun, and no longer than it may take", async () => {
    const limits = { drainCloseMs: 100, drainExitMs: 2000 };
    const server = await setting.start({ jwtSecret: secret, apiKeys: [apiKey], limits });
    const [begun, stuck] = [await HttpConnection.open(server.port), await HttpConnection.open(server.port)];
    const authorization = `Authorization: Bearer ${apiKey}`;
    const publish = posted("/api/publish", '{"topic":"room:1","data":1}', authorization);
    const peer = await Peer.connect(server.port, { token: tokenFor("ann") });
    for (const each of [begun, stuck]) {
      each.write(publish.subarray(0, -5));
      await each.flushed();
    }
    // By then both have been read.
    await peer.request({ type: "ping" });
    server.drain();
    await peer.raw.closed();
    begun.write(publish.subarray(-5));
    const answer = await begun.answer();
    expect([answer?.status, codeOf(JSON.parse(String(answer?.body)))]).toEqual([503, "draining"]);
    expect(await stuck.closed()).toBe("");
    await server.stop();
  });

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

// Tokens by public keys, end to end: keys from a URL and from a file, rotation, and a node that has none yet.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineName } from "../../support/engine-host.ts";
import { Issuer } from "../../support/issuer.ts";
import { dropPeers, Peer } from "../../support/peer.ts";
import { startServer } from "../../support/served.ts";
import type { ServerProcess } from "../../support/server-process.ts";
import { keySetOf, SigningKey } from "../../support/signing-key.ts";
import { tokenFor } from "../../support/token.ts";
import { ask } from "./endpoints.ts";

const overloaded = { code: 1013, reason: "overloaded" };
const unauthorized = { code: 1008, reason: "unauthorized" };

export function keys(engine: EngineName): void {
  describe("keys", () => {
    let issuer: Issuer;
    let folder: string;
    const servers: ServerProcess[] = [];
    beforeAll(async () => {
      issuer = await Issuer.start();
      folder = mkdtempSync(join(tmpdir(), "fanwire-keys-"));
    });
    afterEach(async () => {
      dropPeers();
      for (const server of servers.splice(0)) await server.kill();
    });
    afterAll(async () => {
      await issuer.stop();
      rmSync(folder, { recursive: true });
    });

    async function start(options: Parameters<typeof startServer>[1]): Promise<ServerProcess> {
      const server = await startServer(engine, options);
      servers.push(server);
      return server;
    }

    async function until(reached: () => Promise<boolean>): Promise<void> {
      for (const end = Date.now() + 10_000; !(await reached()); ) {
        expect(Date.now()).toBeLessThan(end);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }

    /** Who the token is of, or how its connection is closed. */
    async function verdict({ port }: ServerProcess, token: string): Promise<unknown> {
      const peer = await Peer.open(port, { token });
      return peer.next().then(
        ({ userId }) => userId,
        () => peer.raw.closed(),
      );
    }

    test("from a URL verify tokens of every kind, and no others", async () => {
      const kinds = ["RS256", "PS384", "ES256", "ES512", "EdDSA"];
      const signers = await Promise.all(kinds.map((kind) => SigningKey.make(kind, kind)));
      const stranger = await SigningKey.make("ES256", "ES256");
      issuer.publish(keySetOf(...signers));
      const server = await start({ jwksUrl: issuer.url, jwtIssuer: "us", jwtAudience: "fanwire" });
      for (const signer of signers) {
        const token = await signer.sign({ sub: "ann", iss: "us", aud: "fanwire" });
        expect(await verdict(server, token)).toBe("ann");
        expect(await verdict(server, await signer.sign({ sub: "ann", iss: "them", aud: "fanwire" }))).toEqual(
          unauthorized,
        );
      }
      const forged = await stranger.sign({ sub: "ann", iss: "us", aud: "fanwire" });
      expect(await verdict(server, forged)).toEqual(unauthorized);
      expect(await verdict(server, tokenFor("ann"))).toEqual(unauthorized);
    });

    test("that are not there yet close 1013 and make the node not ready, until they are there", async () => {
      const signer = await SigningKey.make("RS256", "one");
      const token = await signer.tokenFor("ann");
      issuer.fail(503);
      const server = await start({ jwksUrl: issuer.url });
      expect(await verdict(server, token)).toEqual(overloaded);
      const ready = await ask(server.port, "/ready");
      const reason = "not ready: no keys to verify tokens with\n";
      expect([ready.status, ready.body.toString()]).toEqual([404, reason]);
      expect((await ask(server.port, "/health")).status).toBe(200);
      issuer.publish(keySetOf(signer));
      await until(async () => (await ask(server.port, "/ready")).status === 200);
      expect(await verdict(server, token)).toBe("ann");
      expect(server.said.join("\n")).toContain('"reason":"answered with status 503"');
    });

    test("of a later set are in force at the first token of theirs, also for a refresh", async () => {
      const [old, next] = [await SigningKey.make("ES256", "old"), await SigningKey.make("ES256", "next")];
      issuer.publish(keySetOf(old));
      const server = await start({ jwksUrl: issuer.url, limits: { jwksCooldownMs: 1000 } });
      const peer = await Peer.connect(server.port, { token: await old.tokenFor("ann") });
      issuer.publish(keySetOf(old, next));
      const token = await next.tokenFor("ann");
      await until(async () => (await peer.request({ type: "refresh", token })).type === "ok");
      issuer.fail(500);
      expect(await verdict(server, token)).toBe("ann");
      const unknown = await (await SigningKey.make("ES256", "unknown")).tokenFor("ann");
      const refresh = () => peer.request({ type: "refresh", token: unknown });
      await until(async () => (await refresh()).code === "unavailable");
      expect(await refresh()).toMatchObject({ type: "error", code: "unavailable", retryable: true });
    });

    test("from a file follow the file", async () => {
      const [old, next] = [await SigningKey.make("EdDSA", "old"), await SigningKey.make("EdDSA", "next")];
      const path = join(folder, "keys.json");
      writeFileSync(path, keySetOf(old));
      const server = await start({ jwksFile: path });
      expect(await verdict(server, await old.tokenFor("ann"))).toBe("ann");
      writeFileSync(path, keySetOf(next));
      const token = await next.tokenFor("ann");
      await until(async () => (await verdict(server, token)) === "ann");
      expect(await verdict(server, await old.tokenFor("ann"))).toEqual(unauthorized);
    });

    test("from a file that has none stop the start, with one line", async () => {
      const path = join(folder, "none.json");
      writeFileSync(path, keySetOf({ kty: "oct", k: "AAAA", kid: "a" }));
      const failure = await start({ jwksFile: path }).catch((error: Error) => error.message);
      expect(failure).toStartWith("exit code 1: ");
      expect(failure).toContain(
        `\nfanwire: FANWIRE_JWKS_FILE (jwksFile) is "${path}": must be a file with a JSON`,
      );
      expect(failure).toContain("a symmetric key has no place in a key set");
    });
  });
}

// Keys kept current, from real files and a real web server, with a clock of the test's own: rotation, caching, outages, floods.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { freePort } from "../scripts/free-port.ts";
import { fromFile, fromUrl, type ReadDocument } from "../src/auth/key-documents.ts";
import { Keys } from "../src/auth/keys.ts";
import { FanwireError } from "../src/errors.ts";
import { createLog, type LogFields } from "../src/log.ts";
import { Issuer } from "./support/issuer.ts";
import { keySetOf, SigningKey } from "./support/signing-key.ts";

const [old, next] = [await SigningKey.make("ES256", "old"), await SigningKey.make("ES256", "next")];
const timeoutMs = 1000;
let issuer: Issuer;
beforeAll(async () => {
  issuer = await Issuer.start();
});
afterAll(() => issuer.stop());
beforeEach(() => {
  issuer.publish(keySetOf(old));
  issuer.requests = 0;
});

/** Keys with a clock that stands still until it is told to go on. */
class Setting {
  nowMs = 0;
  readonly lines: LogFields[] = [];
  readonly keys: Keys;

  constructor(read: ReadDocument = fromUrl(issuer.url, 10_000, timeoutMs)) {
    const log = createLog("info", (line) => this.lines.push(JSON.parse(line)));
    const now = () => this.nowMs;
    this.keys = new Keys({ read, name: "the issuer", refreshMs: 60_000, cooldownMs: 10_000, log, now });
  }

  /** `found`, or the code of the failure. */
  async find(kid: string): Promise<string> {
    return this.keys.find({ alg: "ES256", kid }).then(
      () => "found",
      (error) => (error instanceof FanwireError ? error.code : String(error)),
    );
  }

  /** Lets time pass, as a server does: with a tick a second. */
  async pass(ms: number): Promise<void> {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs += Math.min(1000, end - this.nowMs);
      await this.keys.tick();
    }
  }

  events(event: string): LogFields[] {
    return this.lines.filter((line) => line.event === event);
  }
}

async function started(read?: ReadDocument): Promise<Setting> {
  const setting = new Setting(read);
  await setting.keys.start();
  return setting;
}

describe("keys from a URL", () => {
  test("are fetched once, and again in the background before they are asked for", async () => {
    const setting = await started();
    for (let count = 0; count < 100; count++) expect(await setting.find("old")).toBe("found");
    await setting.pass(59_000);
    expect(issuer.requests).toBe(1);
    issuer.publish(keySetOf(next));
    await setting.pass(1000);
    expect(issuer.requests).toBe(2);
    expect([await setting.find("next"), issuer.requests]).toEqual(["found", 2]);
    expect(await setting.find("old")).toBe("unauthorized");
    expect(setting.events("keys").map(({ kids, from }) => [kids, from])).toEqual([
      [["old"], "the issuer"],
      [["next"], "the issuer"],
    ]);
  });

  test("follow a rotation at the first token of the new key, with one fetch for all that wait", async () => {
    const setting = await started();
    await setting.pass(10_000);
    issuer.publish(keySetOf(old, next));
    const verdicts = await Promise.all(Array.from({ length: 500 }, () => setting.find("next")));
    expect(new Set(verdicts)).toEqual(new Set(["found"]));
    expect(issuer.requests).toBe(2);
    expect(await setting.find("old")).toBe("found");
  });

  test("are not fetched for a flood of unknown keys more often than the cool-down allows", async () => {
    const setting = await started();
    for (let second = 0; second < 30; second++) {
      const flood = Array.from({ length: 50 }, (_, i) => setting.find(`random-${second}-${i}`));
      expect(new Set(await Promise.all(flood))).toEqual(new Set(["unauthorized"]));
      expect(await setting.find("old")).toBe("found");
      await setting.pass(1000);
    }
    // At the start, and after 10 and 20 seconds.
    expect(issuer.requests).toBe(3);
  });

  test("outlive an outage, which is logged, and are fetched anew soon after it", async () => {
    const setting = await started();
    issuer.fail(500);
    await setting.pass(600_000);
    expect(await setting.find("old")).toBe("found");
    expect(await setting.find("next")).toBe("unavailable");
    const failures = setting.events("keys-unavailable");
    expect(failures[0]).toMatchObject({ reason: "answered with status 500", failures: 1, kept: 1 });
    // After the first one at 60 s: 1, 2, 4 and 8 s later, and from then on every 10 s.
    expect(failures.length).toBeWithin(50, 61);
    issuer.publish(keySetOf(next));
    await setting.pass(10_000);
    expect(await setting.find("next")).toBe("found");
    expect(await setting.find("old")).toBe("unauthorized");
  });

  test("that cannot be had at the start make nobody unauthorized, and a flood no flood", async () => {
    const setting = new Setting();
    issuer.fail(503);
    const waiting = Array.from({ length: 50 }, () => setting.find("old"));
    expect(new Set(await Promise.all(waiting))).toEqual(new Set(["unavailable"]));
    expect([setting.keys.areThere, issuer.requests]).toEqual([false, 1]);
    expect([await setting.find("old"), issuer.requests]).toEqual(["unavailable", 1]);
    issuer.publish(keySetOf(old));
    await setting.pass(1000);
    expect([setting.keys.areThere, await setting.find("old"), issuer.requests]).toEqual([true, "found", 2]);
  });

  test("are taken from nothing but a whole set within the bounds: the last good ones stay", async () => {
    const setting = await started();
    const huge = JSON.stringify({ keys: [next.jwk], padding: "x".repeat(10_000) });
    const gzip = { "content-encoding": "gzip" };
    const answers: [() => void, string][] = [
      [() => issuer.publish("<html>"), "is not JSON"],
      [() => issuer.publish(""), "is not JSON"],
      [() => issuer.publish(keySetOf(next).slice(0, -5)), "is not JSON"],
      [() => issuer.publish("[]"), "is not a JSON Web Key Set"],
      [() => issuer.publish(keySetOf()), "has no key that can be used"],
      [() => issuer.publish(keySetOf({ kty: "oct", k: "AAAA", kid: "next" })), "symmetric"],
      [() => issuer.publish(huge), "is larger than 10000 bytes"],
      [() => issuer.publish(gzipSync(Buffer.alloc(20_000_000)), gzip), "is larger than 10000 bytes"],
      [() => issuer.answer((_, reply) => sendForever(reply)), "is larger than 10000 bytes"],
      [() => issuer.fail(404), "answered with status 404"],
      [() => issuer.fail(204), "answered with status 204"],
      [() => issuer.fail(302, { location: `${issuer.url}?elsewhere` }), "answered with status 302"],
      [() => issuer.answer((request) => void request.socket.destroy()), "ECONNRESET"],
    ];
    for (const [misbehave, reason] of answers) {
      misbehave();
      setting.lines.length = 0;
      issuer.requests = 0;
      await setting.pass(60_000);
      expect(issuer.requests).toBeGreaterThan(0);
      const reasons = new Set(setting.events("keys-unavailable").map((line) => String(line.reason)));
      expect([...reasons]).toEqual([expect.stringContaining(reason)]);
      expect(await setting.find("old")).toBe("found");
      expect(await setting.find("next")).toBe("unavailable");
    }
  }, 30_000);

  test("of a server that answers too slowly, at the head or within the body, end at the deadline", async () => {
    const slow: (() => void)[] = [
      () => issuer.answer(() => undefined),
      () => issuer.answer((_, reply) => void reply.writeHead(200).write('{"keys":')),
      () => issuer.answer((_, reply) => void drip(reply)),
    ];
    for (const beSlow of slow) {
      const setting = new Setting();
      beSlow();
      const begun = performance.now();
      expect(await setting.find("old")).toBe("unavailable");
      expect(performance.now() - begun).toBeWithin(timeoutMs - 50, timeoutMs + 3000);
      const [line] = setting.events("keys-unavailable");
      expect(line).toMatchObject({ reason: `no answer in ${timeoutMs} ms`, kept: 0 });
    }
  }, 20_000);

  test("of a port where nobody listens are unavailable, with the system's word for it", async () => {
    const setting = new Setting(fromUrl(`http://127.0.0.1:${await freePort()}/`, 10_000, timeoutMs));
    expect(await setting.find("old")).toBe("unavailable");
    expect(setting.events("keys-unavailable")[0]?.reason).toMatch(/^(ECONNREFUSED|ConnectionRefused)$/);
  });

  test("name what in a set is left out", async () => {
    issuer.publish(keySetOf(old, { kty: "oct", k: "AAAA", kid: "secret" }));
    const setting = await started();
    expect(setting.events("keys-ignored")).toMatchObject([
      { keys: ['"secret": a symmetric key has no place in a key set'] },
    ]);
  });
});

describe("keys from a file", () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "fanwire-keys-"));
    path = join(folder, "keys.json");
    writeFileSync(path, keySetOf(old));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  test("follow the file, written over or replaced, and keep the last good ones while it is broken", async () => {
    const setting = await started(fromFile(path, 10_000));
    expect(await setting.find("old")).toBe("found");
    writeFileSync(path, keySetOf(next));
    await setting.pass(60_000);
    expect(await setting.find("next")).toBe("found");
    writeFileSync(`${path}.new`, keySetOf(old));
    renameSync(`${path}.new`, path);
    await setting.pass(10_000);
    expect(await setting.find("old")).toBe("found");
    for (const breakIt of [
      () => writeFileSync(path, '{"keys":'),
      () => writeFileSync(path, "x".repeat(10_001)),
      () => rmSync(path),
    ]) {
      breakIt();
      await setting.pass(60_000);
      expect([await setting.find("old"), await setting.find("next")]).toEqual(["found", "unavailable"]);
    }
    const reasons = new Set(setting.events("keys-unavailable").map(({ reason }) => reason));
    expect([...reasons]).toEqual(["is not JSON", "is larger than 10000 bytes", "ENOENT"]);
  });

  test("are refused at the start where there are none", async () => {
    for (const [missing, reason] of [
      ["/no/where", "ENOENT"],
      [folder, "EISDIR"],
    ] as const) {
      const { keys } = new Setting(fromFile(missing, 10_000));
      expect(await keys.start().catch(({ message }) => message)).toBe(reason);
    }
  });

  test("of exactly the largest size are read whole", async () => {
    const text = keySetOf(old).padEnd(10_000);
    writeFileSync(path, text);
    expect(await fromFile(path, 10_000)()).toBe(text);
    expect(await fromFile(path, 9999)().catch(({ message }) => message)).toBe("is larger than 9999 bytes");
  });
});

function sendForever(reply: ServerResponse): void {
  const endless = (function* () {
    for (;;) yield "x".repeat(10_000);
  })();
  reply.writeHead(200);
  Readable.from(endless).pipe(reply);
}

async function drip(reply: ServerResponse): Promise<void> {
  reply.writeHead(200);
  for (let chunks = 0; chunks < 1000 && !reply.destroyed; chunks++) {
    reply.write(" ");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

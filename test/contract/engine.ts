// What src/engine/engine.ts promises, as one suite for every engine; knows the engine only through real sockets.
import { afterAll, beforeAll, describe, setDefaultTimeout } from "bun:test";
import { EngineHost, type EngineName } from "../support/engine-host.ts";
import { bodyContract } from "./engine-body.ts";
import { closingContract } from "./engine-closing.ts";
import { httpContract } from "./engine-http.ts";
import { orderContract } from "./engine-order.ts";
import { pressureContract } from "./engine-pressure.ts";
import { streamContract } from "./engine-stream.ts";

/** Small, so that a reader who pauses is over them soon: the kernel alone takes a few megabytes on loopback. */
export const limits = {
  maxPayloadBytes: 100_000,
  maxBufferedBytes: 256 * 1024,
  maxBodyBytes: 10_000,
  bodyTimeoutMs: 20_000,
};

export type HostInUse = () => EngineHost;

// Above every deadline of the client and the host: those say what did not come, and bun kills the host when a test is late.
setDefaultTimeout(30_000);

export function engineContract(engine: EngineName): void {
  describe(`the ${engine} engine`, () => {
    let host: EngineHost;
    beforeAll(async () => {
      host = await EngineHost.start(engine, limits);
    });
    afterAll(() => host.stop());
    const inUse = () => host;
    describe("order", () => orderContract(inUse));
    describe("a full buffer", () => pressureContract(inUse, engine));
    describe("closing", () => closingContract(inUse, engine));
    describe("requests", () => httpContract(inUse, engine));
    describe("answers that go on", () => streamContract(inUse));
    describe("request bodies", () => bodyContract(inUse, engine));
  });
}

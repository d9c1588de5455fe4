// The connection to Redis beyond what the model can be asked for too: addresses, passwords, refusals, both runtimes.

import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Call, ConnectionLost, connect, RedisError, type Reply } from "../src/bridge/connection.ts";
import { InstanceStore } from "../src/bridge/store-instances.ts";
import { StoreKeys } from "../src/bridge/store-keys.ts";
import { Process } from "./support/process.ts";
import { RedisServer } from "./support/redis-server.ts";

const password = "open-sesame";
const ignored = { message: () => undefined, closed: () => undefined };
const ping: Call = { command: "PING", args: [] };

let server: RedisServer;
beforeAll(async () => {
  server = await RedisServer.start({ directives: ["--requirepass", password] });
});
afterAll(() => server.end());

const url = (userinfo: string, path = "") => `redis://${userinfo}127.0.0.1:${server.port}${path}`;

async function answers(address: string, calls: readonly Call[] = [ping]): Promise<(Reply | RedisError)[]> {
  const connection = await connect(address, ignored, 5000);
  try {
    return [...(await connection.run(calls))];
  } finally {
    connection.close();
  }
}

test("takes password, user and database from the address", async () => {
  expect(String(await answers(url(`:${password}@`)))).toBe("PONG");
  expect(String(await answers(url(`default:${password}@`, "/1")))).toBe("PONG");
  const set = { command: "SET", args: ["where", "one", "PX", 60_000] } as const;
  const claim = { script: "claimId", keys: ["where"], args: ["zero"] } as const;
  const inFirst = await answers(url(`:${password}@`, "/1"), [set, claim]);
  expect(inFirst.map(String)).toEqual(["OK", "one"]);
  expect(String(await answers(url(`:${password}@`), [claim]))).toBe("zero");
});

test("is refused with the words of Redis, and never says the password", async () => {
  for (const [userinfo, word] of [
    ["", "NOAUTH"],
    [":wrong-secret@", "WRONGPASS"],
    [`stranger:${password}@`, "WRONGPASS"],
  ]) {
    const fault = await connect(url(userinfo!), ignored, 5000).catch((refused: unknown) => refused);
    expect(fault).toBeInstanceOf(Error);
    expect(String(fault)).toContain(word!);
    expect(String(fault)).not.toMatch(/wrong-secret|open-sesame/);
  }
});

test("is refused where nobody listens", async () => {
  for (const address of ["redis://127.0.0.1:1", `${server.folder}/nowhere`]) {
    const fault = await connect(address, ignored, 5000).catch((refused: unknown) => refused);
    expect(fault).toBeInstanceOf(ConnectionLost);
    expect(String(fault)).toMatch(/ECONNREFUSED|ENOENT/);
  }
});

test("carries text and bytes of any kind and size", async () => {
  const keys = new StoreKeys("é:");
  const instances = new InstanceStore(keys, "a");
  const shards = ["ü", "\u0000\r\n$3", "x".repeat(1_000_000)];
  const bytes = Buffer.from([0, 13, 10, 255]);
  const publish = { command: "PUBLISH", args: ["ch é", bytes] } as const;
  const messages: [string, Uint8Array][] = [];
  const arrived = Promise.withResolvers<void>();
  const connection = await connect(
    url(`:${password}@`),
    {
      closed: () => undefined,
      message: (channel, payload) => {
        messages.push([channel, Uint8Array.from(payload)]);
        arrived.resolve();
      },
    },
    5000,
  );
  await connection.subscribe(["ch é"]);
  const write = instances.writeRegistry({ modes: {}, shards }, 60_000);
  await connection.run([instances.fence(1, 60_000).call, write.call, publish]);
  await arrived.promise;
  expect(messages).toEqual([["ch é", Uint8Array.from(bytes)]]);
  const read = instances.readRegistry();
  const [reply] = await connection.run([read.call]);
  expect(read.parse(reply).get("a")).toEqual({ modes: {}, shards });
  connection.close();
});

test("tells a script's refusal from an answer", async () => {
  const wrong = { script: "followStream", keys: ["where", "h", "k"], args: ["e", 1, "", 0, 1, 1] } as const;
  await answers(url(`:${password}@`), [{ command: "SET", args: ["where", "text", "PX", 60_000] }]);
  const [refused, pong] = await answers(url(`:${password}@`), [wrong, ping]);
  expect(refused).toBeInstanceOf(RedisError);
  expect((refused as RedisError).code).toBe("WRONGTYPE");
  expect(String(pong)).toBe("PONG");
});

test("works on Node.js as on Bun", async () => {
  const program = `
    import { connect } from "./dist/bridge/connection.js";
    import { InstanceStore } from "./dist/bridge/store-instances.js";
    import { StoreKeys } from "./dist/bridge/store-keys.js";
    const messages = [];
    const closed = (reason) => console.log(JSON.stringify({ event: "closed", reason, messages }));
    const message = (channel, payload) => messages.push(channel + " " + Buffer.from(payload));
    const connection = await connect(process.argv[1], { message, closed }, 5000);
    await connection.subscribe(["a"]);
    const { call, parse } = new InstanceStore(new StoreKeys("node:"), "n").fence(1, 1000);
    const publish = { command: "PUBLISH", args: ["a", Buffer.from("x")] };
    const replies = await connection.run([call, publish]);
    await connection.run([{ command: "PING", args: [] }]);
    console.log(JSON.stringify({ event: "fenced", held: parse(replies[0]) }));
    connection.close();
  `;
  const node = new Process(["node", "--input-type=module", "-e", program, url(`:${password}@`)]);
  expect(await node.event("fenced")).toMatchObject({ held: true });
  expect(await node.event("closed")).toMatchObject({ messages: ["a x"] });
  expect(await node.exit()).toMatchObject({ code: 0, stderr: "" });
});

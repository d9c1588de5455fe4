// What the suite speaks to its peers, byte for byte and without a server: every publication in a frame, and
// every ping.

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "msgpackr";
import { scanFrames } from "../bench/client/frames.ts";
import { Link } from "../bench/suite/load/link.ts";
import { indexAt, type Member, type Protocol, payloadOf, stampPayload } from "../bench/suite/protocol.ts";
import { centrifugoJson } from "../bench/suite/protocols/centrifugo-json.ts";
import { centrifugoProtobuf } from "../bench/suite/protocols/centrifugo-protobuf.ts";
import { guideProtocol } from "../bench/suite/protocols/guide.ts";
import { socketIo, socketIoMsgpack } from "../bench/suite/protocols/socket-io.ts";
import { centrifugoProgram, ensureCentrifugo } from "../bench/suite/targets/centrifugo-build.ts";

const subscriber: Member = { role: "subscriber", number: 3, topics: [0, 7] };
const publisher: Member = { role: "publisher", number: 3, topics: [7] };

function stamped(index: number, bytes: number): string {
  const payload = Buffer.from(payloadOf(bytes));
  stampPayload(payload, 0, index, 123_456);
  return payload.toString();
}

/** The indexes of the publications found; the frame stands between other bytes, as in a receive buffer. */
function indexesIn(protocol: Protocol, frame: Buffer): number[] {
  const buffer = Buffer.concat([Buffer.from("#1#"), frame, Buffer.from("#2#")]);
  const indexes: number[] = [];
  const delivery = (seen: Buffer, at: number) => void indexes.push(indexAt(seen, at));
  expect(protocol.read(buffer, 3, 3 + frame.length, { delivery })).toBe(indexes.length);
  return indexes;
}

/** What a client frame says, unmasked as it is: its mask is zero. */
function contentOf(frame: Buffer | undefined): Buffer {
  expect(frame).toBeDefined();
  let content = Buffer.alloc(0);
  const unmasked = Buffer.from(frame!);
  const maskAt = ((unmasked[1]! & 127) === 126 ? 4 : 2) as number;
  unmasked[1] = unmasked[1]! & 127;
  scanFrames(Buffer.concat([unmasked.subarray(0, maskAt), unmasked.subarray(maskAt + 4)]), {
    frame: (_code, buffer, start, end) => {
      content = Buffer.from(buffer.subarray(start, end));
    },
  });
  return content;
}

const hear = (protocol: Protocol, member: Member) => {
  const greeting = protocol.greeting(member)!;
  return {
    first: () => greeting.first(),
    heard: (frame: string | Buffer) => {
      const buffer = Buffer.from(frame as string);
      return greeting.heard(buffer, 0, buffer.length);
    },
  };
};

const protobufOf = (...fields: readonly (readonly [number, Buffer | string])[]) =>
  Buffer.concat(
    fields.flatMap(([tag, content]) => {
      const bytes = Buffer.from(content as string);
      expect(bytes.length).toBeLessThan(16_384);
      const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7];
      return [Buffer.from([tag, ...length]), bytes];
    }),
  );

/**
 * A reply as client.proto has it: push 4 { channel 2, pub 4 { data 4, info 5 { client 2 }, offset 6 } },
 * after its length.
 */
function protobufPush(channel: string, data: string, offset: number): Buffer {
  const info = protobufOf([0x12, "5a0c6d1c-7f0f-4b5c-9c38-0f6a8c1f2d3e"]);
  const publication = Buffer.concat([protobufOf([0x22, data], [0x2a, info]), Buffer.from([0x30, offset])]);
  const reply = protobufOf([0x22, protobufOf([0x12, channel], [0x22, publication])]);
  return protobufOf([0, reply]).subarray(1);
}

const protobufPing = Buffer.from([0]);

test("Centrifugo's publications are found in JSON, several to a frame", () => {
  const push = (index: number) => {
    const pub = { data: stamped(index, 64), info: { user: "", client: "5a0c" }, offset: index };
    return JSON.stringify({ push: { channel: "stream:topic-000007", pub } });
  };
  const protocol = centrifugoJson("stream");
  expect(indexesIn(protocol, Buffer.from(push(35)))).toEqual([35]);
  expect(indexesIn(protocol, Buffer.from([push(1), "{}", push(2), push(3)].join("\n")))).toEqual([1, 2, 3]);
  expect(indexesIn(protocol, Buffer.from('{"id":1,"publish":{}}'))).toEqual([]);
});

test("Centrifugo's publications are found in Protobuf, whatever its lengths and offsets are", () => {
  const protocol = centrifugoProtobuf("stream");
  // 35 is the mark's byte, as a length of the data, as an offset, and as the length of what is around them.
  for (let bytes = 22; bytes < 300; bytes++) {
    const frame = Buffer.concat([
      protobufPush("stream:topic-000007", stamped(bytes, bytes), 35),
      protobufPing,
      protobufPush("stream:a", stamped(1_000 + bytes, 35), 35),
    ]);
    expect(indexesIn(protocol, frame)).toEqual([bytes, 1_000 + bytes]);
  }
});

test("a ping of Centrifugo's is answered, alone and between publications, and nothing else is", () => {
  const push = `{"push":{"channel":"stream:topic-000007","pub":{"data":"${stamped(1, 64)}"}}}`;
  const json = centrifugoJson("stream");
  const answer = (protocol: Protocol, frame: string | Buffer) => {
    const buffer = Buffer.concat([Buffer.from("{}\n"), Buffer.from(frame as string), Buffer.from("\n{}")]);
    return protocol.control!(buffer, 3, buffer.length - 3);
  };
  for (const frame of ["{}", `${push}\n{}`, `{}\n${push}`, `${push}\n{}\n${push}`]) {
    expect(contentOf(answer(json, frame)).toString()).toBe("{}");
  }
  for (const frame of [push, `${push}\n${push}`, '{"id":1,"publish":{}}']) {
    expect(answer(json, frame)).toBeUndefined();
  }
  const protobuf = centrifugoProtobuf("stream");
  const pushed = protobufPush("stream:topic-000007", stamped(1, 64), 1);
  for (const frame of [
    protobufPing,
    Buffer.concat([pushed, protobufPing]),
    Buffer.concat([protobufPing, pushed]),
  ]) {
    expect([...contentOf(answer(protobuf, frame))]).toEqual([0]);
  }
  expect(answer(protobuf, Buffer.concat([pushed, pushed]))).toBeUndefined();
});

test("a connection of the generator answers a ping that came between publications", async () => {
  const push = `{"push":{"channel":"stream:topic-000007","pub":{"data":"${stamped(1, 64)}"}}}`;
  let pinged = (_: string) => undefined as unknown;
  const answered = new Promise<string>((resolve) => {
    pinged = resolve;
  });
  await using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("")),
    websocket: {
      message(socket, message) {
        if (message === '{"id":1,"connect":{}}') {
          socket.send('{"id":1,"connect":{}}');
          socket.send(`${push}\n{}\n${push}`);
        } else pinged(String(message));
      },
    },
  });
  let deliveries = 0;
  // Whatever is delivered has a time, also what came in one chunk with the last answer of the handshake.
  let arrivals = 0;
  const listener = {
    arriving: () => void arrivals++,
    delivery: () => (arrivals > 0 ? deliveries++ : 0),
    lost: () => undefined,
  };
  const port = server.port!;
  const protocol = centrifugoJson("stream");
  const link = await Link.open({ port, source: "127.0.0.1", protocol, member: publisher, listener });
  expect(await answered).toBe("{}");
  expect(deliveries).toBe(2);
  link.cut();
});

test("a connection to Centrifugo is ready once connect and every subscribe are answered", () => {
  const connection = hear(centrifugoJson("latest"), subscriber);
  expect(connection.first().map((frame) => contentOf(frame).toString())).toEqual(['{"id":1,"connect":{}}']);
  const subscribes = connection.heard('{"id":1,"connect":{"client":"a","ping":25,"pong":true}}');
  expect((subscribes as Buffer[]).map((frame) => contentOf(frame).toString())).toEqual([
    '{"id":2,"subscribe":{"channel":"latest:topic-000000"}}\n{"id":3,"subscribe":{"channel":"latest:topic-000007"}}',
  ]);
  expect(connection.heard('{"id":2,"subscribe":{}}\n{}')).toHaveLength(1);
  expect(connection.heard('{"id":3,"subscribe":{}}')).toBe("ready");
  expect(() => connection.heard('{"id":3,"error":{"code":103,"message":"permission denied"}}')).toThrow(
    "refused: 103 permission denied",
  );
  expect(hear(centrifugoJson("latest"), publisher).heard('{"id":1,"connect":{}}')).toBe("ready");
});

test("the same in Protobuf", () => {
  const answer = (id: number, tag: number) =>
    protobufOf([0, Buffer.concat([Buffer.from([8, id]), protobufOf([tag, ""])])]).subarray(1);
  const connection = hear(centrifugoProtobuf("stream"), subscriber);
  expect([...contentOf(connection.first()[0])]).toEqual([4, 8, 1, 0x22, 0]);
  const [frame] = connection.heard(answer(1, 0x2a)) as Buffer[];
  const request = (id: number, channel: string) =>
    protobufOf([
      0,
      Buffer.concat([Buffer.from([8, id]), protobufOf([0x2a, protobufOf([0x0a, channel])])]),
    ]).subarray(1);
  expect(contentOf(frame)).toEqual(
    Buffer.concat([request(2, "stream:topic-000000"), request(3, "stream:topic-000007")]),
  );
  expect(connection.heard(answer(2, 0x32))).toEqual([]);
  expect(connection.heard(answer(3, 0x32))).toBe("ready");
  const refusal = protobufOf([
    0,
    Buffer.concat([Buffer.from([8, 3]), protobufOf([0x12, protobufOf([0x12, "denied"])])]),
  ]);
  expect(() => connection.heard(refusal.subarray(1))).toThrow("refused: denied");
});

test("Socket.IO's publications are found with both parsers, whatever the length", () => {
  for (let bytes = 22; bytes < 300; bytes++) {
    const payload = stamped(bytes, bytes);
    expect(indexesIn(socketIo(), Buffer.from(`42["message","${payload}"]`))).toEqual([bytes]);
    // A string of 35 bytes has the mark's byte as its length.
    const packet = pack({ type: 2, data: ["message", payload], nsp: "/" });
    expect(indexesIn(socketIoMsgpack(), Buffer.from(packet))).toEqual([bytes]);
  }
});

test("a connection to Socket.IO is ready once its joining is acknowledged, and answers pings", () => {
  const connection = hear(socketIo(), subscriber);
  const texts = (frames: readonly Buffer[] | "ready") =>
    (frames as readonly Buffer[]).map((frame) => contentOf(frame).toString());
  expect(connection.first()).toEqual([]);
  expect(texts(connection.heard('0{"sid":"a","upgrades":[],"pingInterval":25000}'))).toEqual(["40"]);
  expect(texts(connection.heard("2"))).toEqual(["3"]);
  expect(texts(connection.heard('40{"sid":"b"}'))).toEqual(['420["join",["topic-000000","topic-000007"]]']);
  expect(connection.heard("430[]")).toBe("ready");
  expect(() => connection.heard('44{"message":"no"}')).toThrow('refused: 44{"message":"no"}');
  expect(hear(socketIo(), publisher).heard('40{"sid":"b"}')).toBe("ready");
  // Its parser writes what is undefined as an extension.
  const connect = pack({ type: 0, data: { sid: "b" }, nsp: "/", options: undefined });
  expect(hear(socketIoMsgpack(), publisher).heard(Buffer.from(connect))).toBe("ready");
  const { control } = socketIo();
  expect(contentOf(control!(Buffer.from("2"), 0, 1)).toString()).toBe("3");
  expect(control!(Buffer.from("430[]"), 0, 5)).toBeUndefined();
});

test("a connection to the guide's server names its user and is ready once it has joined its rooms", () => {
  const connection = hear(guideProtocol(), subscriber);
  const joins = connection.heard('{"type":"connected","userId":"subscriber-3","timestamp":1}') as Buffer[];
  expect(joins.map((frame) => contentOf(frame).toString())).toEqual([
    '{"type":"room:join","roomId":"topic-000000"}',
    '{"type":"room:join","roomId":"topic-000007"}',
  ]);
  expect(connection.heard('{"type":"room:joined","roomId":"topic-000007"}')).toEqual([]);
  expect(connection.heard('{"type":"room:joined","roomId":"topic-000000"}')).toBe("ready");
  expect(hear(guideProtocol(), publisher).heard('{"type":"connected"}')).toBe("ready");
  expect(guideProtocol().path(subscriber)).not.toBe(guideProtocol().path(publisher));
});

test("without Go, Centrifugo says in one sentence why it cannot run", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fanwire-no-go-"));
  const environment = { PATH: folder, HOME: folder, XDG_CACHE_HOME: folder };
  expect(await ensureCentrifugo(environment)).toBe("Go is not on the PATH, and Centrifugo is built with it.");
  expect(centrifugoProgram(environment).startsWith(folder)).toBe(true);
  rmSync(folder, { recursive: true });
});

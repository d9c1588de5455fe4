// Requests to the server API that no well-meaning back end sends, as raw bytes, each with the answers that the documentation
// allows. Written from PROTOCOL.md and not from the server. Knows nothing of what a node does with them.

import { apiKey, encode } from "./api-client.ts";
import {
  type ApiCase,
  type ApiOutcome,
  keyHeader,
  notHttp,
  posted,
  request,
  sent,
} from "./hostile-api-case.ts";
import { aborted, chunked, garbage, pipelined, wrongLength } from "./hostile-api-http.ts";
import { badTopics, hostileData, nested, notFlag, notName } from "./hostile-frames.ts";
import type { Random } from "./random.ts";

export function apiCase(random: Random, fresh: string): ApiCase {
  const generators = [
    ...[wrongField, wrongField, refused, wrongBody, wrongBatch, wrongQuery, complete],
    ...[wrongKey, wrongPath, wrongMethod, wrongType, wrongLength, chunked, garbage, pipelined, aborted],
  ];
  return random.pick(generators)(random, fresh);
}

function publication(random: Random): Record<string, unknown> {
  return { topic: "room:api", data: hostileData(random), event: "e", idempotencyKey: random.word(12) };
}

/** Nothing is wrong with these but their content. What is ignored may be anything. */
function complete(random: Random, fresh: string): ApiCase {
  const data = hostileData(random);
  const bytes = random.pick([
    () => posted(random, "/api/publish", { ...publication(random), echo: random.pick(notFlag), x: data }),
    () => posted(random, "/api/publish", { topic: `game:${fresh}`, data }),
    () => posted(random, "/api/publish", { topic: "ticker:api", data, key: random.word(1) }),
    () => posted(random, "/api/users/nobody/send", { data, topic: 5 }),
    () => posted(random, "/api/broadcast", { data }),
    () => posted(random, `/api/users/${fresh}/disconnect`, { reason: random.word(123) }),
    () => request(`/api/users/${fresh}/disconnect`, { body: "" }),
    () => request(`/api/topics/room:${fresh}/history?since=e:0&limit=5`, { method: "GET" }),
    () => request(`/api/topics/room%3A${fresh}/presence?limit=x`, { method: "GET" }),
    () => request("/api/stats?%ff", { method: "GET" }),
  ])();
  return sent("complete", bytes, ["200"]);
}

function wrongField(random: Random): ApiCase {
  const fields: Record<string, readonly [code: string, wrong: readonly unknown[]]> = {
    topic: ["bad-topic", [undefined, ...badTopics]],
    data: ["bad-data", [undefined, nested(65), nested(200)]],
    event: ["bad-data", notName],
    key: ["bad-data", notName],
    removed: ["bad-frame", notFlag],
    idempotencyKey: ["bad-frame", notName],
    userId: ["bad-frame", [null, true, 5, [], {}, "", "a b", "a*", "\u0000", "x".repeat(129)]],
  };
  const field = random.pick(Object.keys(fields));
  const [code, wrong] = fields[field]!;
  const value = { ...publication(random), [field]: random.pick(wrong) };
  if (value[field] === undefined) delete value[field];
  return sent(`a wrong ${field}`, posted(random, "/api/publish", value), [`400 ${code}`]);
}

/** Well-formed, and not to be done. */
function refused(random: Random, fresh: string): ApiCase {
  const publish = (fields: object) => posted(random, "/api/publish", { data: 1, ...fields });
  const read = (path: string) => request(`/api/topics/${path}`, { method: "GET" });
  const choices: Record<string, readonly (() => Buffer)[]> = {
    "404 unknown-namespace": [
      () => publish({ topic: `nowhere:${fresh}` }),
      () => publish({ topic: "constructor:x" }),
      () => read(`nowhere:${fresh}/history`),
      () => read(`nowhere:${fresh}/presence`),
    ],
    "409 mode-mismatch": [
      () => publish({ topic: "room:api", key: "k" }),
      () => publish({ topic: "room:api", removed: true }),
      () => publish({ topic: `game:${fresh}`, idempotencyKey: "k" }),
      () => read(`game:${fresh}/history`),
      () => read("ticker:api/history"),
      () => read("broadcast:all/presence"),
    ],
    "400 bad-data": [() => publish({ topic: "ticker:api" })],
    "413 too-large": [
      () => publish({ topic: `small:${fresh}`, data: "x".repeat(random.between(257, 9000)) }),
    ],
    "400 bad-frame": [
      () => posted(random, "/api/publish", publication(random), ["Idempotency-Key: another"]),
      () => posted(random, "/api/users/nobody/disconnect", { reason: random.pick(["", "\n", 5, null, []]) }),
      () => posted(random, "/api/users/nobody/disconnect", { reason: "x".repeat(124) }),
      () => posted(random, "/api/users/a%20b/send", { data: 1 }),
      () => posted(random, `/api/users/${"x".repeat(129)}/disconnect`, {}),
      () => posted(random, "/api/users/%ff/send", { data: 1 }),
    ],
  };
  const outcome = random.pick(Object.keys(choices));
  return sent("refused", random.pick(choices[outcome]!)(), [outcome]);
}

const noBodies = [
  "",
  " ",
  "{",
  "[]",
  "null",
  "true",
  "5",
  '"x"',
  "{'topic':1}",
  "NaN",
  '{"topic":"room:1",}',
  "\u0000",
];

function wrongBody(random: Random): ApiCase {
  const path = random.pick([
    "/api/publish",
    "/api/users/nobody/send",
    "/api/broadcast",
    "/api/publish/batch",
  ]);
  const whole = Buffer.from(JSON.stringify(publication(random)));
  const body = random.pick<() => string | Uint8Array>([
    () => random.pick(noBodies),
    () => whole.subarray(0, random.below(whole.length)),
    () => Buffer.from(`{"topic":"room:1","data":"\xff"}`, "latin1"),
    () => `${"[".repeat(30_000)}`,
  ])();
  if (random.below(2) === 0) return sent("no JSON", request(path, { body }), ["400 bad-frame"]);
  const headers = [keyHeader, "Content-Type: application/msgpack"];
  const bytes = random.pick([
    random.bytes(random.between(1, 300)),
    Buffer.concat([Buffer.from(encode({ topic: "room:1", data: 1 }, "msgpack")), random.bytes(9)]),
    Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0xc1]),
    Buffer.from([0xd4, 0x72, 0x40]),
  ]);
  // By chance it is a map of something.
  const outcomes = ["400 bad-frame", "400 bad-topic", "400 bad-data"];
  return sent("no MessagePack", request(path, { headers, body: bytes }), outcomes);
}

function wrongBatch(random: Random, fresh: string): ApiCase {
  const path = "/api/publish/batch";
  const one = { topic: `room:${fresh}`, data: 1 };
  if (random.below(2) === 0) {
    // Each bad item has its error at its place, and the whole is a success.
    const items = [null, 5, {}, one, { topic: "room" }, { ...one, event: "" }, publication(random)];
    return sent("a batch of bad items", posted(random, path, { publications: items }), ["200"]);
  }
  const bytes = random.pick([
    () => posted(random, path, { publications: random.pick([undefined, null, {}, 5, "x"]) }),
    () => posted(random, path, [one]),
    () => posted(random, path, { publications: Array(1001).fill(1) }),
    () => posted(random, path, { publications: [one] }, ["Idempotency-Key: k"]),
  ])();
  return sent("no batch", bytes, ["400 bad-frame"]);
}

function wrongQuery(random: Random, fresh: string): ApiCase {
  const since = [
    "",
    ":",
    "e",
    "e:",
    "e:-1",
    "e:1.5",
    "e:x",
    ":0",
    `${"e".repeat(129)}:0`,
    "e:99999999999999999",
  ];
  const limit = ["", "0", "-1", "1.5", "x", "1e2", "1001", "99999999999999999999"];
  const topics = [
    "room",
    "room:",
    "Room:x",
    "room:%2A",
    "room:%20",
    "room:%00",
    "%20",
    `room:${"x".repeat(251)}`,
  ];
  const [outcome, path] = random.pick<readonly [ApiOutcome, string]>([
    ["400 bad-position", `room:${fresh}/history?since=${random.pick(since)}`],
    ["400 bad-frame", `room:${fresh}/history?limit=${random.pick(limit)}`],
    ["400 bad-topic", `${random.pick(topics)}/${random.pick(["history", "presence"])}`],
    ["400 bad-frame", `${random.pick(["%ff", "room:%", "room:%zz", "room:%c0%80"])}/history`],
  ]);
  return sent("a wrong query", request(`/api/topics/${path}`, { method: "GET" }), [outcome]);
}

/** Nobody without a key learns what there is, whatever is asked. */
function wrongKey(random: Random): ApiCase {
  const values = [
    "",
    "Bearer",
    "Bearer ",
    `Basic ${apiKey}`,
    apiKey,
    `Bearer ${apiKey}x`,
    `Bearer ${apiKey} x`,
  ];
  const value = random.pick([
    ...values,
    `Bearer ${apiKey.slice(1)}`,
    `Bearer ${random.word(40)}`,
    "\xff\xfe",
  ]);
  const headers = random.below(4) === 0 ? [] : [`Authorization: ${value}`];
  const path = random.pick(["/api/publish", "/api/stats", "/api", `/api/${random.word(8)}`]);
  const method = random.pick(["GET", "POST", "PUT", "DELETE"]);
  const body = method === "GET" ? {} : { body: "x".repeat(random.below(2000)) };
  return sent("a wrong key", request(path, { method, headers, ...body }), ["401 unauthorized"]);
}

function wrongPath(random: Random): ApiCase {
  const paths = [
    "",
    "/",
    "/Publish",
    "/publish/",
    "//publish",
    "/publish/batch/x",
    "/users/x",
    "/topics/room:1",
  ];
  const more = [
    "/users/a/b/send",
    "/topics/room:1/HISTORY",
    "/topics/a/b/history",
    "/publish%2Fbatch",
    "/__proto__",
  ];
  const path = `/api${random.pick([...paths, ...more, `/${random.word(9)}`])}`;
  const method = random.pick(["GET", "POST"]);
  return sent("a wrong path", request(path, { method, body: "{}" }), ["404 bad-frame"]);
}

function wrongMethod(random: Random): ApiCase {
  const path = random.pick([
    "/api/publish",
    "/api/broadcast",
    "/api/users/a/send",
    "/api/users/a/disconnect",
  ]);
  const known = random.pick(["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"]);
  if (random.below(2) === 0 && known !== "HEAD") {
    return sent("a wrong method", request(path, { method: known }), ["405 bad-frame"]);
  }
  if (random.below(2) === 0) {
    const reading = random.pick(["/api/stats", "/api/topics/room:1/history"]);
    return sent("a wrong method", request(reading, { method: "POST", body: "{}" }), ["405 bad-frame"]);
  }
  const method = random.pick(["FOO", "get", "G", random.word(20)]);
  return sent("no method", request(path, { method }), ["405 bad-frame", ...notHttp], { ending: "end" });
}

function wrongType(random: Random): ApiCase {
  const body = JSON.stringify(publication(random));
  const types = [
    "text/plain",
    "application/xml",
    "application/jsonx",
    "x",
    "",
    "application/x-msgpack",
    "__proto__",
  ];
  const [outcome, header] = random.pick<readonly [ApiOutcome, string]>([
    ["415 bad-frame", `Content-Type: ${random.pick(types)}`],
    ["415 bad-frame", `Content-Type: application/json; charset=${random.pick(["latin1", "utf-16", "x"])}`],
    ["415 bad-frame", `Content-Encoding: ${random.pick(["gzip", "br", "x", "gzip, identity"])}`],
    ["406 bad-frame", `Accept: ${random.pick(["text/html", "application/json;q=0, */*;q=0", "x", ",,,"])}`],
    ["200", "Accept: */*;q=x, application/json;q=99, application/msgpack;q=-1"],
    ["200", 'Content-Type: APPLICATION/JSON ; x=y; charset="UTF-8"'],
  ]);
  return sent("a wrong type", request("/api/publish", { headers: [keyHeader, header], body }), [outcome]);
}

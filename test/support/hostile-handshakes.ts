// Requests that no well-meaning client sends, as raw bytes, each with the HTTP statuses that the documentation or the
// standard allows. Knows nothing of tokens.

import { connect } from "node:net";
import type { Random } from "./random.ts";
import { within } from "./websocket.ts";

export interface HandshakeCase {
  readonly what: string;
  readonly bytes: Buffer;
  /** The statuses that may be answered, each as text and several answers as `200,101`; `closed`: none. */
  readonly statuses: readonly string[];
  /** The sender is done, so that a server which waits for more need not be waited for. */
  readonly ends?: boolean;
}

export interface HandshakeTarget {
  readonly port: number;
  readonly isDevelopment: boolean;
}

/** How a request that cannot be understood may be refused. */
const refused = ["400", "404", "405", "413", "414", "426", "431", "501", "505", "closed"];
const key = "dGhlIHNhbXBsZSBub25jZQ==";

export function handshakeCase(random: Random, target: HandshakeTarget): HandshakeCase {
  const generators = [
    wrongPath,
    badOrigin,
    goodOrigin,
    badHost,
    subprotocols,
    tooBig,
    query,
    method,
    almost,
    garbage,
    pipelined,
  ];
  return random.pick(generators)(random, target);
}

interface Parts {
  readonly line?: string;
  /** Replaces the header of this name; undefined leaves it out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  readonly more?: string;
}

function request(
  { port }: HandshakeTarget,
  { line = "GET /ws HTTP/1.1", headers = {}, more = "" }: Parts,
): string {
  const all: Record<string, string | undefined> = {
    Host: `127.0.0.1:${port}`,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": key,
    ...headers,
  };
  const lines = Object.entries(all).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}: ${value}\r\n`],
  );
  return `${line}\r\n${lines.join("")}${more}\r\n`;
}

function sent(what: string, text: string, statuses: readonly string[], ends = false): HandshakeCase {
  return { what: `${what}: ${text.slice(0, 90)}`, bytes: Buffer.from(text, "latin1"), statuses, ends };
}

function wrongPath(random: Random, target: HandshakeTarget): HandshakeCase {
  const paths = [
    "/",
    "/WS",
    "/ws/",
    "/wss",
    "/%77s",
    "/ws%00",
    "/ws;a",
    "//ws",
    "/api/publish",
    "/ws/x",
    "/ws/../x",
    "/..",
    "/.env",
  ];
  const path = random.pick([...paths, `/${random.word(8)}`, `/ws${random.word(3)}`]);
  return sent("a wrong path", request(target, { line: `GET ${path} HTTP/1.1` }), ["404"]);
}

function badOrigin(random: Random, target: HandshakeTarget): HandshakeCase {
  const here = `127.0.0.1:${target.port}`;
  const Origin = random.pick([
    ...[
      "http://evil.example",
      "null",
      "",
      "*",
      "%",
      "file://",
      "javascript:alert(1)",
      "http://",
      "http:///",
      "x",
    ],
    ...[
      "https://app.example.evil.example",
      "http://app.example",
      "https://app.example:444",
      "https://app.example/",
    ],
    ...[
      `http://${here}.evil.example`,
      `http://${here}@evil.example`,
      `http://evil.example/${here}`,
      `ftp://${here}`,
    ],
    ...["http://127.0.0.1", `http://127.0.0.1:${target.port + 1}`, `http://localhost:${target.port}`, here],
    ...[`https://app.example, http://${here}`, `http://${random.word(6)}.example`],
  ]);
  return sent("a foreign Origin", request(target, { headers: { Origin } }), ["403"]);
}

function goodOrigin(random: Random, target: HandshakeTarget): HandshakeCase {
  const here = `127.0.0.1:${target.port}`;
  const Origin = random.pick([
    `http://${here}`,
    `https://${here}`,
    "https://app.example",
    "HTTPS://APP.EXAMPLE",
  ]);
  return sent("an allowed Origin", request(target, { headers: { Origin } }), ["101"]);
}

/** In development mode a page's own name for 127.0.0.1 gives it away; in production the token decides. */
function badHost(random: Random, target: HandshakeTarget): HandshakeCase {
  const { port, isDevelopment } = target;
  if (random.below(5) === 0)
    return sent("no Host", request(target, { headers: { Host: undefined } }), ["400"]);
  const Host = random.pick([
    ...[
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "evil-localhost",
    ],
    ...[
      "127.0.0.256",
      "128.0.0.1",
      "10.0.0.1",
      "0.0.0.0",
      "a b",
      "127.0.0.1@evil.example",
      "127.0.0.1/evil",
      "",
    ],
    ...[`${random.word(8)}.example`, `evil.example, 127.0.0.1:${port}`, "xn--localhost", "[::2]", ":", ":80"],
  ]);
  const origin = random.below(2) === 0 ? {} : { Origin: `http://${Host}` };
  const text = request(target, { headers: { Host, ...(isDevelopment ? origin : {}) } });
  return sent("a foreign Host", text, isDevelopment ? ["403", "400"] : ["101", "400"]);
}

function subprotocols(random: Random, target: HandshakeTarget): HandshakeCase {
  const many = (count: number) => Array.from({ length: count }, () => random.word(4));
  const [statuses, offered] = random.pick<readonly [string, string]>([
    [
      "400",
      random.pick([
        "foo",
        "fanwire",
        "fanwire.v2.json",
        "FANWIRE.V1.JSON",
        "fanwire.v1.json2",
        "fanwire.v1.json;x",
      ]),
    ],
    ["400", many(random.between(1, 200)).join(",")],
    ["101", `${many(200).join(", ")}, fanwire.v1.json`],
    ["101", `fanwire.v1.msgpack,${many(200).join(",")}`],
    ["101", random.pick(["", " ", ",", ",,,,", " , ,"])],
    ["431", many(5000).join(",")],
  ]);
  const headers = { "Sec-WebSocket-Protocol": offered };
  return sent("subprotocols", request(target, { headers }), [
    statuses,
    ...(statuses === "431" ? ["closed"] : []),
  ]);
}

function tooBig(random: Random, target: HandshakeTarget): HandshakeCase {
  const size = random.pick([20_000, 100_000, 400_000]);
  const filler = "a".repeat(size);
  const text = random.pick([
    request(target, { headers: { "X-Filler": filler } }),
    request(target, { headers: { Cookie: `token=${filler}` } }),
    request(target, { line: `GET /ws?${filler} HTTP/1.1` }),
    request(target, { line: `GET /${filler} HTTP/1.1` }),
    request(target, { more: Array.from({ length: size / 10 }, (_, at) => `X${at}: 1\r\n`).join("") }),
    request(target, { headers: { [`X${filler}`]: "1" } }),
  ]);
  return sent("too many bytes", text, ["431", "414", "closed"]);
}

function query(random: Random, target: HandshakeTarget): HandshakeCase {
  const text = random.pick([
    ...[
      "%",
      "%ff",
      "token=%ff",
      "token=%",
      "token=%00",
      "token=%zz%",
      "join=%e0%80",
      "&&&==&",
      "?",
      "=",
      "a".repeat(999),
    ],
    ...[
      "token",
      "join",
      "join=all&join=none",
      "+",
      "token=a&token=b",
      `token=${random.word(30)}`,
      "token=\xff\xfe",
    ],
    "a=1&".repeat(200),
  ]);
  return sent("a query", request(target, { line: `GET /ws?${text} HTTP/1.1` }), ["101"]);
}

function method(random: Random, target: HandshakeTarget): HandshakeCase {
  const plain = { Upgrade: undefined, Connection: undefined };
  const [statuses, line, headers] = random.pick<readonly [string[], string, Parts["headers"]]>([
    [["405"], `${random.pick(["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])} /ws HTTP/1.1`, {}],
    [["405"], `${random.pick(["POST", "PUT", "DELETE"])} /health HTTP/1.1`, plain],
    [refused, `${random.pick(["TRACE", "CONNECT", "FOO", "get", "G", random.word(20)])} /ws HTTP/1.1`, {}],
    [["426"], "HEAD /ws HTTP/1.1", {}],
    [["426"], "GET /ws HTTP/1.1", plain],
    [["200"], `${random.pick(["GET", "HEAD"])} ${random.pick(["/health", "/ready"])} HTTP/1.1`, plain],
    [["404"], `${random.pick(["GET", "HEAD"])} /${random.word(9)} HTTP/1.1`, plain],
  ]);
  return sent("a method", request(target, { line, headers: headers! }), statuses);
}

/** What is almost a handshake of this protocol. */
function almost(random: Random, target: HandshakeTarget): HandshakeCase {
  const upgradeOnly = ["426"];
  const [statuses, parts] = random.pick<readonly [readonly string[], Parts]>([
    [upgradeOnly, { headers: { "Sec-WebSocket-Key": undefined } }],
    [upgradeOnly, { headers: { "Sec-WebSocket-Key": random.pick(["", "abc", `${key}=`, key.repeat(20)]) } }],
    [upgradeOnly, { headers: { Upgrade: random.pick(["h2c", "", "websocket2", "web socket"]) } }],
    [["200", ...refused], { line: "GET /health HTTP/1.0" }],
    [["101", ...refused], { line: "GET /ws HTTP/1.0" }],
    [
      refused,
      {
        line: random.pick([
          "GET /ws HTTP/2.0",
          "GET /ws HTTP/9.9",
          "GET /ws",
          "GET  /ws HTTP/1.1",
          "GET /ws  HTTP/1.1",
        ]),
      },
    ],
    [
      refused,
      { line: random.pick(["GET ws HTTP/1.1", "GET * HTTP/1.1", "GET\t/ws HTTP/1.1", " GET /ws HTTP/1.1"]) },
    ],
  ]);
  return sent("almost a handshake", request(target, parts), statuses, true);
}

function garbage(random: Random, target: HandshakeTarget): HandshakeCase {
  const post = (headers: string, body: string) =>
    `POST /health HTTP/1.1\r\nHost: a\r\n${headers}\r\n\r\n${body}`;
  const text = random.pick([
    `${random.bytes(random.between(1, 300)).toString("latin1")}\r\n\r\n`,
    `\x16\x03\x01${random.bytes(80).toString("latin1")}\r\n\r\n`,
    "\r\n\r\n\r\n\r\n",
    "\u0000".repeat(200),
    post("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n"),
    post("Transfer-Encoding: chunked", "ffffffffffffffffffff\r\n"),
    post("Transfer-Encoding: chunked", "zz\r\n\r\n"),
    post("Content-Length: -5", ""),
    post("Content-Length: 99999999999999999999", "x"),
    post("Content-Length: 5\r\nContent-Length: 6", "hello!"),
    request(target, {
      more: random.pick([": novalue\r\n", "nocolon\r\n", "X : y\r\n", "X\u0000: y\r\n", "X: a\r\n b\r\n"]),
    }),
    request(target, {}).slice(0, random.between(1, 150)),
    request(target, {}).replaceAll("\r\n", "\n"),
  ]);
  // A header that nobody looks at may be as odd as it likes, and a body may be found broken after the answer.
  return sent("garbage", text, ["101", "405,400", ...refused], true);
}

function pipelined(random: Random, target: HandshakeTarget): HandshakeCase {
  const plain = "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
  const count = random.between(2, 20);
  const statuses = Array(count).fill("200");
  if (random.below(2) === 0) return sent("pipelined requests", plain.repeat(count), [statuses.join()]);
  return sent("a pipelined handshake", plain.repeat(count) + request(target, {}), [
    [...statuses, "101"].join(),
  ]);
}

/** Sends the bytes and resolves to the statuses of what is answered, `closed` where the connection just ends. */
export function ask(port: number, { what, bytes, statuses, ends }: HandshakeCase): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  const answered = () => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status).join();
  const end = new Promise<string>((resolve) => {
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (answered().length >= statuses[0]!.length) resolve(answered());
    });
    socket.on("error", () => resolve(answered() || "closed"));
    socket.on("close", () => resolve(answered() || "closed"));
  });
  socket.write(bytes);
  if (ends) socket.end();
  return within(10_000, end, () => `an answer to ${what}`).finally(() => socket.destroy());
}

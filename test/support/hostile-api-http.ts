// Requests to the server API whose framing is hostile: too long, in odd chunks, one behind the other, no HTTP, or never whole. Each
// with the answers that the documentation or the standard allows.

import { type ApiCase, hostileBodyBytes, keyHeader, notHttp, request, sent } from "./hostile-api-case.ts";
import { chunk, head } from "./http.ts";
import type { Random } from "./random.ts";

export function wrongLength(random: Random): ApiCase {
  const bytes = random.pick([
    () => request("/api/publish", { body: "x".repeat(hostileBodyBytes + random.between(1, 1000)) }),
    () => request("/api/publish", { body: " ".repeat(3 * hostileBodyBytes) }),
    () => Buffer.from(head("POST", "/api/publish", keyHeader, "Content-Length: 999999999999")),
  ])();
  // Who writes on behind a refusal may find the connection reset, and the answer gone with it.
  return sent("a body too large", bytes, ["413 too-large", "closed"]);
}

export function chunked(random: Random): ApiCase {
  const start = head("POST", "/api/publish", keyHeader, "Transfer-Encoding: chunked");
  const body = JSON.stringify({ topic: "room:api", data: random.word(200) });
  const cuts = body.match(/.{1,7}/g)!;
  const [text, outcomes, ending] = random.pick<readonly [string, string[], ApiCase["ending"]?]>([
    [`${cuts.map(chunk).join("")}${chunk("")}`, ["200"]],
    [`${cuts.map(chunk).join("")}${chunk("").replace("0", "000;x=y")}`, ["200", ...notHttp], "end"],
    [chunk(body), ["408 timeout", "400 bad-frame", ...notHttp], "end"],
    [`${random.pick(["zz", "-1", "ffffffffffffffffffff", "1 1"])}\r\n${body}\r\n`, notHttp, "end"],
    // uWebSockets.js takes a size that is missing for 0, and the body for empty.
    [`\r\n${body}\r\n`, ["400 bad-frame", ...notHttp], "end"],
    [`${chunk(body)}zz\r\n`, notHttp, "end"],
    [`5\r\n${body}`, notHttp, "end"],
    [chunk("x".repeat(30_000)).repeat(5) + chunk(""), ["413 too-large", "closed"]],
  ]);
  return sent("chunks", Buffer.from(start + text), outcomes, ending && { ending });
}

export function garbage(random: Random): ApiCase {
  const post = (headers: string, body = "") =>
    Buffer.from(
      `POST /api/publish HTTP/1.1\r\nHost: a\r\n${keyHeader}\r\n${headers}\r\n\r\n${body}`,
      "latin1",
    );
  const bytes = random.pick([
    post("Transfer-Encoding: chunked\r\nContent-Length: 4", "0\r\n\r\n"),
    post("Transfer-Encoding: x", "{}"),
    post("Content-Length: -5"),
    post("Content-Length: 99999999999999999999", "x"),
    post("Content-Length: 5\r\nContent-Length: 6", "hello!"),
    post("Content-Length: 0x10", "0123456789abcdef"),
    post(`X: ${"a".repeat(100_000)}`),
    post(random.pick([": novalue", "nocolon", "X : y", "X\u0000: y", "X: a\r\n b"])),
    post("Content-Length: 2", "{}").subarray(0, random.between(1, 60)),
    Buffer.concat([Buffer.from("POST /api/publish "), random.bytes(200), Buffer.from("\r\n\r\n")]),
  ]);
  const outcomes = ["400 bad-frame", "400 bad-topic", "401 unauthorized", "408 timeout", ...notHttp];
  return sent("garbage", bytes, outcomes, { ending: "end" });
}

/** A connection on which a request arrives while an answer is waited for may be cut. */
export function pipelined(random: Random): ApiCase {
  const requests = random.between(2, 10);
  const one = random.pick([
    request("/api/stats", { method: "GET" }),
    request("/api/publish", { body: '{"topic":"room:api","data":1}' }),
    request("/api/topics/room:api/presence", { method: "GET" }),
  ]);
  return sent("pipelined", Buffer.concat(Array(requests).fill(one)), ["200", "closed"], { requests });
}

/** Uploads that never come to their end. */
export function aborted(random: Random): ApiCase {
  const body = "x".repeat(random.between(1, 20_000));
  const length =
    random.below(2) === 0 ? "Transfer-Encoding: chunked" : `Content-Length: ${body.length + 100}`;
  const start = head("POST", "/api/publish", keyHeader, length);
  const text = start + (length.startsWith("T") ? chunk(body) : body);
  const ending = random.pick(["end", "reset"] as const);
  return sent("an aborted upload", Buffer.from(text), ["400 bad-frame", "408 timeout", ...notHttp], {
    ending,
  });
}

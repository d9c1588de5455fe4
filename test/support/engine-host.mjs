// One engine in a process of its own, driven by the contract suite; plain JavaScript, because it runs on Bun and Node.js.
//
//   engine-host.mjs bun|uws '{"maxPayloadBytes":…,"maxBufferedBytes":…,"maxBodyBytes":…,"bodyTimeoutMs":…}'
//
// A line of JSON on stdin is a list of steps to be run in ONE turn of the event loop, outside any handler, or in the
// turn of a handler's next call: {"steps":[…]} or {"steps":[…],"during":["message",3]}. The answer is one line
// {"event":"done","results":[…]} with what each step returned. Every call of a handler is a line {"event":"open","n":3,…}.
// Connections are addressed by the number `n` they connect with: ws://…/?n=3&protocol=…
import { createInterface } from "node:readline";

const [engineName, limitsJson] = process.argv.slice(2);
const create =
  engineName === "bun"
    ? (await import("../../src/engine/bun.ts")).createBunEngine
    : (await import("../../dist/engine/uws.js")).createUwsEngine;

const sockets = new Map();
/** Steps that wait for a handler's turn, by `event:n`. */
const scripted = new Map();
let second;

/** Answers that go on, by the number `n` of their query. */
const streams = new Map();

const report = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** A text, bytes, or a label padded with dots to a length: frames of any size that can be told apart. */
function toPayload(spec) {
  if (typeof spec === "string") return spec;
  if (spec.bytes !== undefined) return Uint8Array.from(spec.bytes);
  return spec.label.padEnd(spec.length, ".");
}

const steps = {
  publish: ([topic, payload, except]) =>
    engine.publish(topic, toPayload(payload), except === undefined ? undefined : sockets.get(except)),
  send: ([n, payload]) => sockets.get(n).send(toPayload(payload)),
  subscribe: ([n, topic]) => sockets.get(n).subscribe(topic),
  unsubscribe: ([n, topic]) => sockets.get(n).unsubscribe(topic),
  close: ([n, code, reason]) => sockets.get(n).close(code, reason),
  terminate: ([n]) => sockets.get(n).terminate(),
  ping: ([n]) => sockets.get(n).ping(),
  cork: ([n, inner]) => {
    let results;
    sockets.get(n).cork(() => {
      results = run(inner);
    });
    return results;
  },
  streamSend: ([n, payload]) => streams.get(n).send(toPayload(payload)),
  streamEnd: ([n]) => streams.get(n).end(),
  streamTerminate: ([n]) => streams.get(n).terminate(),
  streamBuffered: ([n]) => streams.get(n).bufferedBytes(),
  /** Numbered sends until one is dropped or `count` are through; how often each outcome came. */
  streamMany: ([n, from, count, length]) => {
    const outcomes = { sent: 0, queued: 0, dropped: 0 };
    for (let i = from; i < from + count && outcomes.dropped === 0; i++) {
      outcomes[streams.get(n).send(`${String(i).padEnd(length - 1, ".")}\n`)]++;
    }
    return outcomes;
  },
  bufferedBytes: ([n]) => sockets.get(n).bufferedBytes(),
  remoteAddress: ([n]) => sockets.get(n).remoteAddress,
  subscriberCount: ([topic]) => engine.subscriberCount(topic),
  throw: ([message]) => {
    throw new Error(message);
  },
  /** `count` publications numbered from `from`, all in this turn. */
  publishMany: ([topic, from, count, length]) => {
    for (let i = from; i < from + count; i++) engine.publish(topic, String(i).padEnd(length, "."));
  },
  /** Direct sends numbered from `from` until one is dropped or `count` are through; how often each outcome came. */
  sendMany: ([n, from, count, length]) => {
    const outcomes = { sent: 0, queued: 0, dropped: 0 };
    for (let i = from; i < from + count && outcomes.dropped === 0; i++) {
      outcomes[sockets.get(n).send(String(i).padEnd(length, "."))]++;
    }
    return outcomes;
  },
  /** Direct sends numbered from 0 until more than `bytes` are buffered, all in this turn; how many. */
  fill: ([n, bytes, length]) => {
    let count = 0;
    while (sockets.get(n).bufferedBytes() <= bytes && count * length < 100_000_000) {
      sockets.get(n).send(String(count++).padEnd(length, "."));
    }
    return count;
  },
  /** Answers with the port, or with the error's code. A second engine in the same process. */
  listenSecond: async ([host, port]) => {
    second = create(handlers, JSON.parse(limitsJson));
    return second.listen(host, port).catch((error) => error.code);
  },
  closeSecond: () => second.close(),
  closeEngine: () => engine.close(),
};

/** How many lists of steps are running: above 0 the engine is being called. */
let depth = 0;

function run(list) {
  depth++;
  try {
    return list.map(([name, ...args]) => steps[name](args));
  } finally {
    depth--;
  }
}

function runScripted(event, n) {
  const list = scripted.get(`${event}:${n}`);
  if (list === undefined) return;
  scripted.delete(`${event}:${n}`);
  let results = [];
  try {
    results = run(list);
  } finally {
    report({ event: "done", results });
  }
}

const upgrades = {
  "/refuse": () => ({ refuse: { status: 403, headers: { "x-why": "not-you" }, body: "go away" } }),
  "/throw": () => {
    throw new Error("upgrade");
  },
};

const faultStatus = { "too-large": 413, "too-slow": 408, aborted: 400 };

/** Says hello and goes on as it is told. */
function streaming(request) {
  const n = Number(new URLSearchParams(request.query).get("n"));
  return {
    status: 200,
    headers: { "content-type": "text/event-stream", "x-n": String(n) },
    stream: {
      open(stream) {
        streams.set(n, stream);
        stream.send("hello\n");
        report({ event: "stream-open", n, nested: depth > 0 });
        if (request.path === "/stream-throw") throw new Error("stream");
        runScripted("stream-open", n);
      },
      drain() {
        report({ event: "stream-drain", n, bufferedBytes: streams.get(n).bufferedBytes() });
        runScripted("stream-drain", n);
      },
      closed: () => report({ event: "stream-closed", n, nested: depth > 0 }),
    },
  };
}

const answers = {
  "/stream": streaming,
  "/stream-throw": streaming,
  "/stream-later": async (request) => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return streaming(request);
  },
  /** The body itself, or what became of it. */
  "/body": async (_, readBody) => {
    try {
      return { status: 200, body: await readBody() };
    } catch ({ fault }) {
      report({ event: "fault", fault });
      return { status: faultStatus[fault], headers: { connection: "close" }, body: fault };
    }
  },
  /** Asks twice, and once more when it is too late. */
  "/bodies": async (_, readBody) => {
    const first = readBody();
    const attempt = () => {
      try {
        readBody();
        return "read";
      } catch {
        return "gone";
      }
    };
    const second = attempt();
    const { length } = await first;
    return { status: 200, body: `${length} ${second} ${attempt()}` };
  },
  "/body-too-late": async (_, readBody) => {
    await new Promise((resolve) => setImmediate(resolve));
    await readBody();
    return { status: 200 };
  },
  /** Asks for the body and does not wait for it. */
  "/body-ignored": (_, readBody) => {
    void readBody();
    return { status: 200, headers: { connection: "close" }, body: "ignored" };
  },
  "/now": () => ({ status: 200, headers: { "x-when": "now" }, body: "now" }),
  "/later": async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    return { status: 201, headers: { "x-when": "later" }, body: Uint8Array.from([1, 2, 3]) };
  },
  "/never": () => new Promise(() => undefined),
  "/throw": () => {
    throw new Error("http");
  },
  "/reject": async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    throw new Error("http, later");
  },
};

const echo = (request) => ({
  status: 200,
  body: JSON.stringify({ ...request, headers: [...request.headers] }),
});

const handlers = {
  upgrade(request) {
    if (upgrades[request.path]) return upgrades[request.path]();
    const query = new URLSearchParams(request.query);
    const subprotocol = query.get("protocol");
    const accept = { n: Number(query.get("n")), request: { ...request, headers: [...request.headers] } };
    return subprotocol === null ? { accept } : { accept, subprotocol };
  },
  open(socket) {
    const { n, request } = socket.data;
    sockets.set(n, socket);
    report({ event: "open", n, request });
    if (request.path === "/throw-on-open") throw new Error("open");
    runScripted("open", n);
  },
  message(socket, payload) {
    const { n } = socket.data;
    const shown = typeof payload === "string" ? payload : { bytes: [...payload] };
    report({ event: "message", n, payload: shown });
    runScripted("message", n);
    // Held a turn longer than the handler lasts: a borrowed buffer would be empty or overwritten by now.
    if (typeof payload !== "string") setImmediate(() => report({ event: "kept", n, bytes: [...payload] }));
  },
  drain(socket) {
    report({ event: "drain", n: socket.data.n, bufferedBytes: socket.bufferedBytes() });
    runScripted("drain", socket.data.n);
  },
  pong(socket) {
    report({ event: "pong", n: socket.data.n });
    runScripted("pong", socket.data.n);
  },
  closed(socket, code, reason) {
    report({ event: "closed", n: socket.data.n, code, reason, nested: depth > 0 });
    runScripted("closed", socket.data.n);
  },
  failed: (error) => report({ event: "failed", message: error.message }),
  http: (request, readBody) => (answers[request.path] ?? echo)(request, readBody),
};

const engine = create(handlers, JSON.parse(limitsJson));
report({ event: "listening", port: await engine.listen("127.0.0.1", 0) });

createInterface({ input: process.stdin }).on("line", (line) => {
  const { steps: list, during } = JSON.parse(line);
  if (during !== undefined) {
    scripted.set(during.join(":"), list);
    report({ event: "scripted" });
    return;
  }
  // All steps have run in this turn before the first result is awaited.
  const results = run(list);
  void Promise.all(results).then((settled) => report({ event: "done", results: settled }));
});

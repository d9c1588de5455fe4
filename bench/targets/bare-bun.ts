// The control on Bun: Bun.serve and its publish, nothing of ours. It parses nothing and decides nothing.
// `?topics=a,b` joins a socket to native topics. `?publish=a&ring=256` makes it a publisher: its first 256 messages are kept,
// and each message after them publishes the next of those to `a`, round and round.

interface Data {
  readonly topics: string[];
  readonly publish: string;
  readonly ringSize: number;
  readonly ring: (string | Buffer)[];
  next: number;
}

const server = Bun.serve<Data>({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const query = new URL(request.url).searchParams;
    const data: Data = {
      topics: query.get("topics")?.split(",") ?? [],
      publish: query.get("publish") ?? "",
      ringSize: Number(query.get("ring")),
      ring: [],
      next: 0,
    };
    const headers = { "Sec-WebSocket-Protocol": request.headers.get("sec-websocket-protocol") ?? "" };
    return server.upgrade(request, { data, headers }) ? undefined : new Response("", { status: 426 });
  },
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    backpressureLimit: 64 * 1024 * 1024,
    open(socket) {
      for (const topic of socket.data.topics) socket.subscribe(topic);
      socket.send('{"type":"connected"}');
    },
    message(socket, message) {
      const data = socket.data;
      if (data.ring.length < data.ringSize) data.ring.push(message);
      else server.publish(data.publish, data.ring[data.next++ % data.ringSize] as string);
    },
  },
});

console.log(JSON.stringify({ event: "listening", port: server.port, engine: "bun" }));

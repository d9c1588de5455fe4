// Bun.serve and its publish, nothing of ours: a message goes as it came to the native topic that its first six digits name.

const topicDigits = 6;

const server = Bun.serve<{ readonly topics: readonly string[] }>({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const topics = new URL(request.url).searchParams.get("topics") ?? "";
    const data = { topics: topics === "" ? [] : topics.split(",") };
    return server.upgrade(request, { data }) ? undefined : new Response("", { status: 426 });
  },
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    backpressureLimit: 64 * 1024 * 1024,
    open(socket) {
      for (const topic of socket.data.topics) socket.subscribe(topic);
    },
    message(_, message) {
      const bytes = message as Buffer;
      server.publish(bytes.toString("latin1", 0, topicDigits), bytes);
    },
  },
});

console.log(JSON.stringify({ event: "listening", port: server.port, engine: "bun" }));

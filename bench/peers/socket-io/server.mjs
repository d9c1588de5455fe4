// Socket.IO as a peer: rooms, an event to publish and one to join, nothing else; how it is set up comes as an
// argument.

import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createShardedAdapter } from "@socket.io/redis-adapter";
import { Redis } from "ioredis";
import { Server } from "socket.io";

const { redisUrl, parser, engine } = JSON.parse(process.argv[2] ?? "{}");
const require = createRequire(import.meta.url);

const io = new Server({
  transports: ["websocket"],
  serveClient: false,
  ...(parser === "msgpack" && { parser: require("socket.io-msgpack-parser") }),
});

if (redisUrl !== undefined) {
  const publisher = new Redis(redisUrl);
  const subscriber = publisher.duplicate();
  // Recommended over the older adapter. Static: every node hears of every room from its start. With a channel
  // for each room ("dynamic"), a join is acknowledged before Redis has subscribed to it, and what is
  // published in between is lost.
  io.adapter(createShardedAdapter(publisher, subscriber, { subscriptionMode: "static" }));
  // Answered behind the adapter's subscriptions: a node without them would miss what others publish.
  await subscriber.ping();
}

io.on("connection", (socket) => {
  socket.on("join", async (topics, acknowledge) => {
    await socket.join(topics);
    acknowledge();
  });
  socket.on("publish", (topic, data) => {
    io.to(topic).emit("message", data);
  });
});

const listening = (port) => console.log(JSON.stringify({ event: "listening", port, engine }));

if (engine === "uws") {
  // It is this project's development dependency, found in the folder above.
  const uws = await import("uWebSockets.js");
  const app = uws.App();
  // The default, 1 MiB, drops silently what a receiver has not read; the bare control has this limit too.
  io.attachApp(app, { maxBackpressure: 64 * 1024 * 1024 });
  app.listen("127.0.0.1", 0, (socket) => listening(uws.us_socket_local_port(socket)));
} else {
  const http = createServer();
  io.attach(http);
  http.listen(0, "127.0.0.1", () => listening(http.address().port));
}

// Documented to save memory: without it each connection keeps its first HTTP request.
io.engine.on("connection", (raw) => {
  raw.request = null;
});

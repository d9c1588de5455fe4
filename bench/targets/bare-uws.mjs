// The control on Node.js: uWebSockets.js and its publish, nothing of ours. What it does is described in bare-bun.ts.

import * as uws from "uWebSockets.js";

const app = uws.App();

app.ws("/ws", {
  idleTimeout: 0,
  compression: uws.DISABLED,
  maxBackpressure: 64 * 1024 * 1024,
  upgrade(response, request, context) {
    const query = new URLSearchParams(request.getQuery());
    const data = {
      topics: query.get("topics")?.split(",") ?? [],
      publish: query.get("publish") ?? "",
      ringSize: Number(query.get("ring")),
      ring: [],
      next: 0,
    };
    const protocol = request.getHeader("sec-websocket-protocol");
    const key = request.getHeader("sec-websocket-key");
    response.upgrade(data, key, protocol, request.getHeader("sec-websocket-extensions"), context);
  },
  open(socket) {
    for (const topic of socket.getUserData().topics) socket.subscribe(topic);
    socket.send('{"type":"connected"}', false);
  },
  message(socket, message, isBinary) {
    const data = socket.getUserData();
    if (data.ring.length < data.ringSize) {
      // The buffer is the engine's and ends with this call.
      data.ring.push(isBinary ? message.slice(0) : Buffer.from(message).toString());
    } else {
      app.publish(data.publish, data.ring[data.next++ % data.ringSize], isBinary);
    }
  },
});

app.listen("127.0.0.1", 0, (listener) => {
  if (listener === false) throw new Error("cannot listen");
  console.log(
    JSON.stringify({ event: "listening", port: uws.us_socket_local_port(listener), engine: "uws" }),
  );
});

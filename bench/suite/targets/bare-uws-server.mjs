// uWebSockets.js and its publish, nothing of ours: a message goes as it came to the native topic that its first six digits name.

import * as uws from "uWebSockets.js";

const topicDigits = 6;
const app = uws.App();

app.ws("/ws", {
  idleTimeout: 0,
  compression: uws.DISABLED,
  maxBackpressure: 64 * 1024 * 1024,
  upgrade(response, request, context) {
    const topics = new URLSearchParams(request.getQuery()).get("topics") ?? "";
    const data = { topics: topics === "" ? [] : topics.split(",") };
    const key = request.getHeader("sec-websocket-key");
    response.upgrade(data, key, "", request.getHeader("sec-websocket-extensions"), context);
  },
  open(socket) {
    for (const topic of socket.getUserData().topics) socket.subscribe(topic);
  },
  message(_, message) {
    app.publish(Buffer.from(message, 0, topicDigits).toString("latin1"), message, true);
  },
});

app.listen("127.0.0.1", 0, (listener) => {
  if (listener === false) throw new Error("cannot listen");
  console.log(
    JSON.stringify({ event: "listening", port: uws.us_socket_local_port(listener), engine: "uws" }),
  );
});

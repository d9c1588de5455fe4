// The control for memory on Node.js. What it does is described in idle-bun.ts.

import * as uws from "uWebSockets.js";

let opened = 0;

const app = uws.App();

app.ws("/ws", {
  idleTimeout: 0,
  compression: uws.DISABLED,
  open(socket) {
    socket.subscribe(`j:user:guest-${String(++opened).padStart(12, "0")}`);
    socket.subscribe("j:broadcast:all");
    socket.send('{"type":"connected"}', false);
  },
});

app.listen("127.0.0.1", 0, (listener) => {
  if (listener === false) throw new Error("cannot listen");
  console.log(
    JSON.stringify({ event: "listening", port: uws.us_socket_local_port(listener), engine: "uws" }),
  );
});

// The control for memory on Bun: a socket on as many native topics as fanwire puts one on, with names as long, and not a byte
// of JavaScript kept for it.

let opened = 0;

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request, server) {
    const headers = { "Sec-WebSocket-Protocol": request.headers.get("sec-websocket-protocol") ?? "" };
    return server.upgrade(request, { headers }) ? undefined : new Response("", { status: 426 });
  },
  websocket: {
    idleTimeout: 0,
    perMessageDeflate: false,
    open(socket) {
      socket.subscribe(`j:user:guest-${String(++opened).padStart(12, "0")}`);
      socket.subscribe("j:broadcast:all");
      socket.send('{"type":"connected"}');
    },
    message: () => undefined,
  },
});

console.log(JSON.stringify({ event: "listening", port: server.port, engine: "bun" }));

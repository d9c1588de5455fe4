// Relays bytes: what the publisher's socket brings is written to every subscriber's socket as it is. The upgrade's answer is canned.

interface Peer {
  role: "unknown" | "subscriber" | "publisher";
  /** What the kernel did not take. */
  unsent: Buffer[];
}

const answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const subscribers = new Set<Bun.Socket<Peer>>();

function send(socket: Bun.Socket<Peer>, bytes: Buffer): void {
  const { unsent } = socket.data;
  const written = unsent.length > 0 ? 0 : Math.max(0, socket.write(bytes));
  if (written < bytes.length) unsent.push(Buffer.from(bytes.subarray(written)));
}

const listener = Bun.listen<Peer>({
  hostname: "127.0.0.1",
  port: 0,
  socket: {
    open(socket) {
      socket.data = { role: "unknown", unsent: [] };
    },
    data(socket, chunk) {
      if (socket.data.role === "publisher") {
        for (const subscriber of subscribers) send(subscriber, chunk);
      } else if (socket.data.role === "unknown") {
        const isPublisher = chunk.toString("latin1").startsWith("GET /publisher");
        socket.data.role = isPublisher ? "publisher" : "subscriber";
        if (socket.data.role === "subscriber") subscribers.add(socket);
        socket.write(answer);
      }
    },
    drain(socket) {
      const waiting = socket.data.unsent;
      socket.data.unsent = [];
      for (const bytes of waiting) send(socket, bytes);
    },
    close(socket) {
      subscribers.delete(socket);
    },
  },
});

console.log(JSON.stringify({ event: "listening", port: listener.port, engine: "floor" }));

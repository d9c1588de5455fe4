// A chat in a terminal: what is typed is published, what others write is shown, and a lost connection costs nothing.
// bun examples/chat-client.ts lobby    # FANWIRE_URL=ws://127.0.0.1:9001/ws

import { createInterface } from "node:readline";
import { createClient } from "../src/client/client.ts";

const topic = `room:${process.argv[2] ?? "lobby"}`;
const client = createClient(process.env.FANWIRE_URL ?? "ws://127.0.0.1:9001/ws");
client.on("state", ({ state }) => console.log(`(${state})`));
client.subscribe(topic, {
  onMessage: ({ userId = "server", data }) => console.log(`${userId}: ${JSON.stringify(data)}`),
  onReset: () => console.log("(some messages are gone)"),
});
for await (const text of createInterface({ input: process.stdin })) await client.publish(topic, { text });
client.close();

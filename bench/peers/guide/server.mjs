// The guide's design as a peer: `ws` on one port, two Redis connections, JSON, a stringify and a send per
// client. It is the design as it stands, weaknesses included; only what it stores in a database is left out,
// in its favour.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { Redis } from "ioredis";
import { WebSocket, WebSocketServer } from "ws";

const { redisUrl, secret } = JSON.parse(process.argv[2] ?? "{}");

const publisher = new Redis(redisUrl);
const subscriber = new Redis(redisUrl);

/** A second connection of a user replaces the first. */
const clients = new Map();
/** This node's members of each room, by user id. */
const rooms = new Map();

const handlers = {
  ping: (_userId, client) => sendIfOpen(client, { type: "pong" }),
  "chat:send": (userId, _client, { roomId, content }) =>
    publish("ws:broadcast", { type: "chat:message", roomId, userId, content, timestamp: Date.now() }),
  "typing:start": (userId, _client, { roomId }) =>
    publish("ws:broadcast", { type: "typing:indicator", roomId, userId }),
  "dm:send": (userId, _client, { targetUserId, content }) =>
    publish("ws:dm", { type: "dm", targetUserId, userId, content, timestamp: Date.now() }),
  "room:join": async (userId, client, { roomId }) => {
    await joinRoom(roomId, userId);
    sendIfOpen(client, { type: "room:joined", roomId });
  },
  "room:leave": (userId, _client, { roomId }) => leaveRoom(roomId, userId),
  "room:send": (userId, _client, { roomId, content }) =>
    publish(`room:${roomId}`, { type: "room:message", roomId, userId, content, timestamp: Date.now() }),
};

function publish(channel, message) {
  return publisher.publish(channel, JSON.stringify(message));
}

subscriber.on("message", (channel, text) => {
  const message = JSON.parse(text);
  if (channel === "ws:broadcast") {
    for (const client of clients.values()) sendIfOpen(client, message);
  } else if (channel === "ws:dm") {
    sendIfOpen(clients.get(message.targetUserId), message);
  } else {
    for (const userId of rooms.get(channel.slice("room:".length)) ?? []) {
      sendIfOpen(clients.get(userId), message);
    }
  }
});

function sendIfOpen(client, message) {
  if (client?.readyState === WebSocket.OPEN) client.send(JSON.stringify(message));
}

async function joinRoom(roomId, userId) {
  const members = rooms.get(roomId);
  if (members !== undefined) {
    members.add(userId);
    return;
  }
  rooms.set(roomId, new Set([userId]));
  await subscriber.subscribe(`room:${roomId}`);
}

async function leaveRoom(roomId, userId) {
  const members = rooms.get(roomId);
  if (members === undefined) return;
  members.delete(userId);
  if (members.size > 0) return;
  rooms.delete(roomId);
  await subscriber.unsubscribe(`room:${roomId}`);
}

/** The user id of a valid HS256 token. */
function userOf(url) {
  const token = new URL(url, "http://localhost").searchParams.get("token") ?? "";
  const [header = "", claims = "", signature = ""] = token.split(".");
  const expected = createHmac("sha256", secret).update(`${header}.${claims}`).digest();
  const given = Buffer.from(signature, "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  return JSON.parse(Buffer.from(claims, "base64url").toString()).sub;
}

const http = createServer();
const server = new WebSocketServer({ server: http });

server.on("connection", (client, request) => {
  const userId = userOf(request.url);
  if (userId === undefined) {
    client.close(1008, "Unauthorized");
    return;
  }
  clients.set(userId, client);
  sendIfOpen(client, { type: "connected", userId, timestamp: Date.now() });
  client.on("message", async (data) => {
    const message = JSON.parse(data.toString());
    await handlers[message.type]?.(userId, client, message);
  });
  client.on("close", async () => {
    clients.delete(userId);
    for (const roomId of [...rooms.keys()]) await leaveRoom(roomId, userId);
  });
});

await subscriber.subscribe("ws:broadcast", "ws:dm");
http.listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ event: "listening", port: http.address().port, engine: "ws" }));
});

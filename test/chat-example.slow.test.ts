// The chat server of examples/ as its own process: what is stored arrives once, also across a crash at the worst moment.

import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ChatMessage, Outbox } from "../examples/outbox.ts";
import { createServer } from "../src/server.ts";
import { ServerProcess } from "./support/server-process.ts";
import { connect, type WebSocketClient } from "./support/websocket.ts";

setDefaultTimeout(60_000);

interface Frame {
  readonly type: string;
  readonly id?: number;
  readonly event?: string;
  readonly userId?: string;
  readonly data?: { readonly id?: string; readonly text?: string };
  readonly publications?: readonly Frame[];
  readonly code?: string;
  readonly message?: string;
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fanwire-chat-"));
});

afterEach(() => rmSync(folder, { recursive: true }));

const databasePath = () => join(folder, "chat.sqlite");

function startChat(env: Record<string, string> = {}): Promise<ServerProcess> {
  return ServerProcess.start("chat", { CHAT_DATABASE: databasePath(), ...env });
}

/** One connection. Frames that are no answers are kept, in order, until a test looks at them. */
class Guest {
  readonly userId: string;
  readonly messages: Frame[] = [];
  readonly #client: WebSocketClient;
  #lastId = 0;

  private constructor(client: WebSocketClient, userId: string) {
    this.#client = client;
    this.userId = userId;
  }

  static async enter(port: number): Promise<Guest> {
    const client = await connect(port, { path: "/ws", protocols: ["fanwire.v1.json"] });
    const { userId } = await client.nextJson<{ userId: string }>();
    return new Guest(client, userId);
  }

  async ask(frame: object): Promise<Frame> {
    const id = ++this.#lastId;
    this.#client.sendJson({ ...frame, id });
    for (;;) {
      const next = await this.#client.nextJson<Frame>();
      if (next.id === id) return next;
      this.messages.push(next);
    }
  }

  call(method: string, data: unknown): Promise<Frame> {
    return this.ask({ type: "call", method, data });
  }

  /** Subscribes, and puts what the topic keeps in front of what arrives. */
  async listen(topic: string): Promise<void> {
    await this.ask({ type: "subscribe", topic });
    if (topic.startsWith("room:")) {
      const { publications } = await this.ask({ type: "history", topic });
      this.messages.unshift(...publications!);
    }
  }

  /** Reads until a message with this text is there, and answers the texts of all. */
  async heardUpTo(text: string): Promise<(string | undefined)[]> {
    while (this.messages.at(-1)?.data?.text !== text)
      this.messages.push(await this.#client.nextJson<Frame>());
    return this.messages.map(({ data }) => data?.text);
  }

  next(): Promise<Frame> {
    return this.#client.nextJson<Frame>();
  }
}

test("messages are answered once stored and reach the room in order, with their sender", async () => {
  await using chat = await startChat();
  const [writer, reader] = [await Guest.enter(chat.port), await Guest.enter(chat.port)];
  await reader.listen("room:lobby");
  const texts = Array.from({ length: 20 }, (_, i) => `message ${i}`);
  const answers = [];
  for (const text of texts) answers.push(await writer.call("chat:send", { room: "lobby", text }));
  expect(await reader.heardUpTo("message 19")).toEqual(texts);
  for (const [i, message] of reader.messages.entries()) {
    expect(message).toMatchObject({ event: "chat:message", userId: writer.userId });
    expect(message.data?.id).toBe(answers[i]!.data!.id!);
  }
  using database = new Database(databasePath());
  expect(database.query("SELECT text FROM messages ORDER BY rowid").values().flat()).toEqual(texts);
});

test("who starts typing is shown to the others", async () => {
  await using chat = await startChat();
  const [writer, reader] = [await Guest.enter(chat.port), await Guest.enter(chat.port)];
  await reader.listen("game:typing-lobby");
  expect(await writer.call("typing:start", { room: "lobby" })).toMatchObject({ type: "ok" });
  expect(await reader.next()).toMatchObject({ event: "typing", userId: writer.userId });
});

test("a crash between the store and the publish loses nothing and doubles nothing", async () => {
  let before: string[];
  {
    await using chat = await startChat({ CHAT_RELAY_DELAY_MS: "60000" });
    const [writer, reader] = [await Guest.enter(chat.port), await Guest.enter(chat.port)];
    await reader.listen("room:lobby");
    const first = await writer.call("chat:send", { room: "lobby", text: "first" });
    const second = await writer.call("chat:send", { room: "lobby", text: "second" });
    before = [first.data!.id!, second.data!.id!];
    await reader.ask({ type: "ping" });
    expect(reader.messages).toEqual([]);
    await chat.kill();
  }
  await using chat = await startChat();
  const reader = await Guest.enter(chat.port);
  await reader.listen("room:lobby");
  await reader.heardUpTo("second");
  await reader.call("chat:send", { room: "lobby", text: "third" });
  expect(await reader.heardUpTo("third")).toEqual(["first", "second", "third"]);
  expect(reader.messages.slice(0, 2).map(({ data }) => data!.id!)).toEqual(before);
});

test("a crash between the publish and its removal from the outbox publishes again, since memory lost the first", async () => {
  let id: string;
  {
    await using chat = await startChat();
    const writer = await Guest.enter(chat.port);
    await writer.listen("room:lobby");
    id = (await writer.call("chat:send", { room: "lobby", text: "published" })).data!.id!;
    await writer.heardUpTo("published");
    await chat.kill();
  }
  using database = new Database(databasePath());
  database.query("INSERT OR IGNORE INTO outbox (messageId) VALUES (?)").run(id);
  await using chat = await startChat();
  const reader = await Guest.enter(chat.port);
  await reader.listen("room:lobby");
  await reader.heardUpTo("published");
  await reader.call("chat:send", { room: "lobby", text: "next" });
  expect(await reader.heardUpTo("next")).toEqual(["published", "next"]);
});

test("a publish whose acknowledgement was lost is repeated, and the subscriber sees it once", async () => {
  await using server = await startServer();
  using database = new Database(databasePath(), { create: true, strict: true });
  const reader = await Guest.enter(server.port);
  await reader.listen("room:lobby");
  const published: string[] = [];
  const outbox = new Outbox(
    database,
    async ({ id, room, text }) => {
      published.push(text);
      await server.publish(`room:${room}`, { id, text }, { idempotencyKey: id });
      if (published.length === 1) throw new Error("the acknowledgement was lost");
    },
    1,
  );
  outbox.store(messageOf("a", "acknowledged late"));
  outbox.store(messageOf("b", "the next"));
  expect(published).toEqual(["acknowledged late"]);
  expect(await reader.heardUpTo("the next")).toEqual(["acknowledged late", "the next"]);
  expect(published).toEqual(["acknowledged late", "acknowledged late", "the next"]);
  outbox.close();
});

test("the same message sent again under its id is stored and published once", async () => {
  await using chat = await startChat();
  const guest = await Guest.enter(chat.port);
  await guest.listen("room:lobby");
  const message = { room: "lobby", text: "once", id: "my-own-id" };
  expect((await guest.call("chat:send", message)).data).toEqual({ id: "my-own-id" });
  expect((await guest.call("chat:send", message)).data).toEqual({ id: "my-own-id" });
  const other = await guest.call("chat:send", { ...message, text: "something else" });
  expect(other).toMatchObject({ type: "error", code: "bad-data" });
  await guest.call("chat:send", { room: "lobby", text: "the end" });
  expect(await guest.heardUpTo("the end")).toEqual(["once", "the end"]);
});

const notBlank = "`text` must be text that is not blank.";
const lowerCase = "`room` must be 1 to 64 lower-case letters, digits or `-`.";

test.each([
  ["`data` must be an object.", "bad-data", "chat:send", "text"],
  [notBlank, "bad-data", "chat:send", { room: "lobby" }],
  [notBlank, "bad-data", "chat:send", { room: "lobby", text: "  " }],
  [
    "`text` has 4001 characters, over 4000.",
    "too-large",
    "chat:send",
    { room: "lobby", text: "x".repeat(4_001) },
  ],
  [lowerCase, "bad-data", "chat:send", { room: "no such:room", text: "x" }],
  [
    "`id` must be 1 to 64 letters, digits, `-` or `_`.",
    "bad-data",
    "chat:send",
    { room: "a", text: "x", id: 7 },
  ],
  [lowerCase, "bad-data", "typing:start", {}],
])("bad input is refused with a sentence: %s", async (message, code, method, data) => {
  await using chat = await startChat();
  const answer = await (await Guest.enter(chat.port)).call(method, data);
  expect(answer).toMatchObject({ type: "error", code, message });
});

function messageOf(id: string, text: string): ChatMessage {
  return { id, room: "lobby", userId: "writer", text, timestamp: Date.now() };
}

async function startServer() {
  const server = await createServer({ port: 0, logLevel: "silent" });
  return Object.assign(server, { port: server.address.port, [Symbol.asyncDispose]: () => server.close() });
}

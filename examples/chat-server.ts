// A chat server on the library: messages are stored and then published, typing is only published. See README.md here.

import { Database } from "bun:sqlite";
import { createServer, FanwireError } from "../src/server.ts"; // In your project: "fanwire".
import { type ChatMessage, Outbox } from "./outbox.ts";

const maxTextLength = 4_000;

/** For trying out a crash between the store and the publish: how long the one waits for the other. */
const relayDelayMs = Number(process.env.CHAT_RELAY_DELAY_MS ?? 0);

const database = new Database(process.env.CHAT_DATABASE ?? "chat.sqlite", { create: true, strict: true });

const outbox: Outbox = new Outbox(database, async ({ id, room, userId, text, timestamp }) => {
  if (relayDelayMs > 0) await Bun.sleep(relayDelayMs);
  const data = { id, text, timestamp };
  await server.publish(`room:${room}`, data, { event: "chat:message", userId, idempotencyKey: id });
});

const server = await createServer({
  port: Number(process.env.FANWIRE_PORT ?? 9001),
  calls: {
    /** {room, text, id?} → {id}. Answered once the message is stored: from there on it cannot be lost. */
    "chat:send": (data, { userId }) => {
      const { room, text, id = crypto.randomUUID() } = fields(data);
      const message: ChatMessage = {
        id: must(id, "id", /^[\w-]{1,64}$/, "1 to 64 letters, digits, `-` or `_`"),
        room: mustBeRoom(room),
        userId,
        text: must(text, "text", /\S/, "text that is not blank"),
        timestamp: Date.now(),
      };
      if (message.text.length > maxTextLength) {
        throw new FanwireError(
          "too-large",
          `\`text\` has ${message.text.length} characters, over ${maxTextLength}.`,
        );
      }
      // A client whose answer was lost sends the same message under the same id again: it is stored and published once.
      if (!outbox.store(message) && !isRepetition(message)) {
        throw new FanwireError("bad-data", `Another message has the id ${message.id}.`);
      }
      return { id: message.id };
    },

    /** {room} → {}. Nothing is kept: who is not looking now need not know. */
    "typing:start": async (data, { userId }) => {
      const room = mustBeRoom(fields(data).room);
      await server.publish(`game:typing-${room}`, null, { event: "typing", userId });
      return {};
    },
  },
});

// What an earlier process stored and did not get to publish.
void outbox.relay();

process.once("SIGINT", stop).once("SIGTERM", stop);

async function stop(): Promise<void> {
  outbox.close();
  await server.close();
  database.close();
  process.exit(0);
}

function isRepetition(message: ChatMessage): boolean {
  const known = outbox.find(message.id);
  return known?.room === message.room && known.text === message.text;
}

function fields(data: unknown): Record<string, unknown> {
  if (typeof data === "object" && data !== null) return { ...data };
  throw new FanwireError("bad-data", "`data` must be an object.");
}

function mustBeRoom(value: unknown): string {
  return must(value, "room", /^[a-z0-9-]{1,64}$/, "1 to 64 lower-case letters, digits or `-`");
}

function must(value: unknown, name: string, pattern: RegExp, bound: string): string {
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new FanwireError("bad-data", `\`${name}\` must be ${bound}.`);
}

// What the client does, as one function that any runtime can run, a browser's page included: so it uses nothing from outside of itself.

import type { Client, ClientFormat, createClient, Message } from "../../src/client/client.ts";

export interface ConformanceInput {
  readonly url: string;
  /** Where no connection comes about. */
  readonly deadUrl: string;
  readonly token: string;
  /** Names that nobody else uses. */
  readonly topic: string;
}

/**
 * Answers what was seen, for the test to judge. The server behind `url` has the calls `echo`, `fail`, and `cut`, which cuts this
 * very connection and publishes `missed 1` to `missed 3` on a topic before it can be back.
 */
export async function conform(
  create: typeof createClient,
  { url, deadUrl, token, topic }: ConformanceInput,
  format?: ClientFormat,
): Promise<object> {
  const options = { token: () => Promise.resolve(token), ...(format && { format }) };
  const client: Client = create(url, options);
  const seen: Record<string, unknown> = {};
  const states: string[] = [];
  const messages: unknown[] = [];
  const recoveries: boolean[] = [];
  let resets = 0;
  let changed: () => void = () => undefined;
  client.on("state", ({ state }) => {
    states.push(state);
    changed();
  });

  /** Waits until it is so, looking again whenever something happens. */
  function until(isSo: () => boolean, what: string): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`waited in vain until ${what}`)), 15_000);
      changed = () => {
        if (!isSo()) return;
        clearTimeout(late);
        resolve();
      };
      changed();
    });
  }
  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error) => error.code,
    );

  client.subscribe(topic, {
    onMessage: ({ data }: Message) => {
      messages.push(data);
      changed();
    },
    onSubscribed: ({ recovered }) => {
      recoveries.push(recovered);
      changed();
    },
    onReset: () => {
      resets += 1;
    },
  });
  await until(() => recoveries.length === 1, "the topic is subscribed");
  seen.userId = client.state.state === "connected" && client.state.userId;
  seen.firstOffset = (await client.publish(topic, "hello", { event: "said" }))?.offset;
  seen.history = (await client.history(topic)).publications.map(({ data, event }) => [data, event]);
  seen.members = (await client.presence(topic)).members.map(({ userId, sessions }) => [userId, sessions]);
  seen.echo = await client.call("echo", { list: [1, "two", null], ünïcode: "✓" });
  seen.failure = await codeOf(client.call("fail"));
  seen.unknown = await codeOf(client.call("no such call"));
  seen.refusal = await codeOf(client.publish("nowhere:1", 1));
  seen.isQuick = (await client.ping()) < 15_000;

  const cut = codeOf(client.call("cut", topic));
  const written = Array.from({ length: 20 }, (_, i) => client.publish(topic, `written ${i}`));
  seen.cut = await cut;
  await Promise.all(written);
  await until(() => messages.length >= 24, "what was missed and what was written is there");
  seen.missed = messages.filter((data) => String(data).startsWith("missed"));
  seen.written = messages.filter((data) => String(data).startsWith("written"));
  seen.count = messages.length;
  seen.recoveries = recoveries;
  seen.resets = resets;

  const moves: unknown[] = [];
  const game = topic.replace("room:", "game:");
  let isThere = false;
  client.subscribe(game, {
    onMessage: ({ data }) => {
      moves.push(data);
      changed();
    },
    onSubscribed: () => {
      isThere = true;
      changed();
    },
  });
  await until(() => isThere, "the volatile topic is subscribed");
  seen.isSent = client.send(game, [1.5, -2]);
  seen.volatile = String(await client.publish(game, "acknowledged"));
  await until(() => moves.length === 2, "what was sent is there");
  seen.moves = moves;

  client.close();
  seen.states = states;
  seen.afterClose = await codeOf(client.publish(topic, 1));
  const stranger = create(url, { token: "no.token.atall" });
  const closed = new Promise((resolve) => {
    stranger.on("state", (state) => state.state === "closed" && resolve([state.code, state.reason]));
  });
  seen.stranger = await closed;
  const lost = create(deadUrl, options);
  seen.lost = await new Promise((resolve) => {
    lost.on("state", (state) => state.state === "waiting" && resolve([state.code, state.reason]));
  });
  lost.close();
  return seen;
}

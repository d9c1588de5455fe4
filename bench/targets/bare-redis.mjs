// The control of whatever goes over Redis: ioredis as it is, and nothing of ours. The first argument is Redis' address.
// `roundTrips` times messages to itself and PINGs, `publish` sends messages turn by turn, `listen` and `heard` count them.

import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { answer, inTurns } from "./turns.mjs";

const now =
  process.versions.bun === undefined ? () => Number(process.hrtime.bigint()) : () => Bun.nanoseconds();

const url = process.argv[2];
const commands = new Redis(url);
const pipelined = new Redis(url, { enableAutoPipelining: true });
const subscriptions = new Redis(url);
const own = `bare-${process.pid}`;

let messages = 0;
let bytes = 0;
/** What is told of the next message, and of those after it: several may be under way. */
const expected = [];

subscriptions.on("messageBuffer", (_channel, payload) => {
  messages += 1;
  bytes += payload.length;
  expected.shift()?.();
});

async function roundTrips({ count, perSecond, payloadBytes }) {
  const payload = Buffer.alloc(payloadBytes, "x");
  const publishNs = [];
  const pingNs = [];
  await subscriptions.subscribe(own);
  const underWay = [];
  await inTurns(2 * count, 2 * perSecond, (turn) => {
    underWay.push(turn % 2 === 0 ? timePublish(payload, publishNs) : timePing(pingNs));
  });
  await Promise.all(underWay);
  await subscriptions.unsubscribe(own);
  return { publishNs, pingNs };
}

async function timePublish(payload, times) {
  const back = new Promise((resolve) => {
    expected.push(() => {
      times.push(now() - startedAt);
      resolve();
    });
  });
  const startedAt = now();
  await commands.publish(own, payload);
  await back;
}

async function timePing(times) {
  const startedAt = now();
  await commands.ping();
  times.push(now() - startedAt);
}

async function publish({ channel, turns, perSecond, messagesPerTurn, messageBytes }) {
  const payload = Buffer.alloc(messageBytes, "x");
  const redis = messagesPerTurn === 1 ? commands : pipelined;
  let failed = 0;
  const underWay = [];
  const elapsedMs = await inTurns(turns, perSecond, () => {
    for (let i = 0; i < messagesPerTurn; i++) {
      underWay.push(
        redis.publish(channel, payload).catch(() => {
          failed += 1;
        }),
      );
    }
  });
  await Promise.all(underWay);
  return { accepted: turns * messagesPerTurn - failed, failed, elapsedMs };
}

const answers = {
  roundTrips,
  publish,
  listen: (channel) => subscriptions.subscribe(channel),
  heard: () => ({ messages, bytes }),
};

await Promise.all([commands.ping(), pipelined.ping(), subscriptions.ping()]);
console.log(JSON.stringify({ event: "listening", port: 0 }));
await answer(createInterface({ input: process.stdin }), answers);

// fanwire with an engine whose publish is timed: what a publication costs in JavaScript, before, between and after it.
// Runs src/ on Bun and dist/ on Node.js. Commands on standard input: `report` prints and forgets the samples, `quit` ends.

import { createInterface } from "node:readline";

const onBun = process.versions.bun !== undefined;
const load = (name) => import(onBun ? `../../src/${name}.ts` : `../../dist/${name}.js`);
const { Node } = await load("node");
const { resolveOptions } = await load("config/config");
const { createLog } = await load("log");
const createEngine = onBun
  ? (await load("engine/bun")).createBunEngine
  : (await load("engine/uws")).createUwsEngine;

const now = onBun ? () => Bun.nanoseconds() : () => Number(process.hrtime.bigint());

/** Turns of the microtask queue after a message within which everything it started is done. */
const tailTurns = 12;

/** Per native topic, in ns: the JavaScript of a publication before the engine's publish, that publish, and the JavaScript after it. */
let samples = {};
let publishNs = 0;
let publishedAt = 0;
let publishes = 0;
let topicPublished = "";

const timedEngine = (handlers, limits) => {
  const engine = createEngine(
    {
      ...handlers,
      message(socket, payload) {
        publishes = 0;
        const startedAt = now();
        handlers.message(socket, payload);
        void finish(startedAt);
      },
    },
    limits,
  );
  return {
    name: engine.name,
    listen: (host, port) => engine.listen(host, port),
    subscriberCount: (topic) => engine.subscriberCount(topic),
    close: () => engine.close(),
    publish(topic, payload, except) {
      publishedAt = now();
      engine.publish(topic, payload, except);
      publishNs = now() - publishedAt;
      publishes++;
      topicPublished = topic;
    },
  };
};

async function finish(startedAt) {
  for (let turn = 0; turn < tailTurns; turn++) await undefined;
  const endedAt = now();
  if (publishes !== 1) return;
  samples[topicPublished] ??= { beforeNs: [], publishNs: [], afterNs: [] };
  samples[topicPublished].beforeNs.push(publishedAt - startedAt);
  samples[topicPublished].publishNs.push(publishNs);
  samples[topicPublished].afterNs.push(endedAt - publishedAt - publishNs);
}

const limits = { frameBurst: 1_000_000, framesPerSecond: 1_000_000 };
const options = resolveOptions({ port: 0, limits, logLevel: "silent" });
const node = new Node(options, {}, timedEngine, createLog("silent"));
await node.start();
console.log(JSON.stringify({ event: "listening", port: node.address.port }));

createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "quit") process.exit(0);
  console.log(JSON.stringify({ event: "report", samples }));
  samples = {};
});

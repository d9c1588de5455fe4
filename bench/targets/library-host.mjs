// A node inside an application that publishes through the library, so many publications in a turn of its event loop.
// Runs src/ on Bun and dist/ on Node.js. The first argument: createServer's options as JSON.

import { createInterface } from "node:readline";
import { answer, inTurns } from "./turns.mjs";

const folder = process.versions.bun === undefined ? "../../dist/server.js" : "../../src/server.ts";
const { createServer } = await import(folder);
const server = await createServer(JSON.parse(process.argv[2]));

/** Sequence numbers of one width, as the generator's. */
const firstSequence = 100_000_000;

async function publish({ topic, topics, turns, perSecond, perTurn, textBytes, keyPrefix }) {
  const text = "x".repeat(textBytes);
  let accepted = 0;
  const failures = {};
  const count = (results) => {
    for (const { reason } of results) {
      if (reason === undefined) accepted += 1;
      else failures[reason.code ?? reason.message] = (failures[reason.code ?? reason.message] ?? 0) + 1;
    }
  };
  let sequence = 0;
  const underWay = [];
  const elapsedMs = await inTurns(turns, perSecond, () => {
    const turn = [];
    for (let i = 0; i < perTurn; i++) {
      const data = { seq: firstSequence + sequence, text };
      const name = topics === 1 ? topic : `${topic}-${i % topics}`;
      const options = keyPrefix === undefined ? undefined : { idempotencyKey: `${keyPrefix}${sequence}` };
      turn.push(server.publish(name, data, options));
      sequence += 1;
    }
    underWay.push(Promise.allSettled(turn).then(count));
  });
  await Promise.all(underWay);
  return { accepted, failures, elapsedMs };
}

console.log(JSON.stringify({ event: "listening", port: server.address.port }));
await answer(createInterface({ input: process.stdin }), { publish });

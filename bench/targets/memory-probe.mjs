// Loaded into a server before its own code (--preload, --import): collects garbage and tells of the heap when asked to on
// standard input. `collect` answers the heap's bytes, `census` what lies in it by class. Knows nothing of the server.

import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const isBun = process.versions.bun !== undefined;
const collectGarbage = isBun ? () => Bun.gc(true) : globalThis.gc;

/** More than once, with turns in between: finalisers and weak references need them, and Bun gives pages back later. */
async function collect() {
  for (let round = 0; round < 4; round++) {
    collectGarbage();
    await pause(100);
  }
  const { heapUsed, external } = process.memoryUsage();
  return { heapBytes: heapUsed, externalBytes: external };
}

/** Count and own bytes of what is alive, by class. */
async function census() {
  collectGarbage();
  const nodes = isBun ? nodesOfBun() : await nodesOfV8();
  const classes = {};
  for (const [name, bytes] of nodes) {
    classes[name] ??= { count: 0, bytes: 0 };
    classes[name].count += 1;
    classes[name].bytes += bytes;
  }
  return classes;
}

function* nodesOfBun() {
  const { nodes, nodeClassNames } = Bun.generateHeapSnapshot();
  for (let at = 0; at < nodes.length; at += 4) yield [nodeClassNames[nodes[at + 2]], nodes[at + 1]];
}

async function nodesOfV8() {
  const { getHeapSnapshot } = await import("node:v8");
  const chunks = [];
  for await (const chunk of getHeapSnapshot()) chunks.push(chunk);
  const { snapshot, nodes, strings } = JSON.parse(Buffer.concat(chunks).toString());
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const at = (field) => fields.indexOf(field);
  const named = new Set(["object", "native", "closure"]);
  const rows = [];
  for (let node = 0; node < nodes.length; node += fields.length) {
    const type = types[0][nodes[node + at("type")]];
    // What has no class of its own is told by its kind: every string's name is its text.
    const name = named.has(type) ? strings[nodes[node + at("name")]] : `(${type})`;
    rows.push([name, nodes[node + at("self_size")]]);
  }
  return rows;
}

const commands = { collect, census };

createInterface({ input: process.stdin }).on("line", async (line) => {
  console.log(JSON.stringify({ event: "probe", answer: await commands[line]() }));
});

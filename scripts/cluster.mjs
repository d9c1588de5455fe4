// `npm run cluster`: a Redis, several nodes and HAProxy before them on this machine, on which nothing needs to be prepared.
// npm run cluster -- --nodes 3 --engines bun,uws --redis 1 --port 9001 --proxy 8080

import { parseArgs } from "node:util";
import { ensurePrograms } from "./debian.mjs";
import { bun, must, run, setup } from "./setup.mjs";

const usage = `npm run cluster -- [--nodes 3] [--engines bun] [--redis 1] [--port 9001] [--proxy 8080]

  --nodes    how many nodes, 1 to 32
  --engines  bun, uws, or several separated by commas, which the nodes take in turn
  --redis    how many Redis servers, 1 to 16; with several, topics are spread over them
  --port     where the first node listens; the next ones take the next ports. 0: any free ones
  --proxy    where HAProxy listens, which is where clients connect. 0: any free port

Other FANWIRE_ variables are passed on to every node.`;

/** What each node gets from here, so that it cannot come from outside as well. */
const ours = [
  "FANWIRE_PORT",
  "FANWIRE_ADMIN_PORT",
  "FANWIRE_NODE_ID",
  "FANWIRE_REDIS_URL",
  "FANWIRE_TRUSTED_PROXIES",
];

const options = readOptions();
if (options.help) {
  console.log(usage);
  process.exit(0);
}
const wanted = checkOptions(options);
await setup();
await ensurePrograms(["redis-server", "haproxy"]);
if (wanted.engines.includes("uws")) {
  await must("building the package", process.execPath, ["scripts/build.mjs"]);
}
// If this process is killed without a chance to pass the signal on, none of the others stays behind.
process.exitCode = await run(bun, ["--no-orphans", "scripts/cluster-parts.ts", JSON.stringify(wanted)]);

function readOptions() {
  const text = (standard) => ({ type: "string", default: standard });
  try {
    return parseArgs({
      options: {
        nodes: text("3"),
        engines: text("bun"),
        redis: text("1"),
        port: text("9001"),
        proxy: text("8080"),
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return refuse(`${error.message.replace(/\. To specify .*/s, "")}; --help says what there is`);
  }
}

function checkOptions(given) {
  const nodes = wholeNumber("nodes", given.nodes, 1, 32);
  const engines = given.engines.split(",");
  if (!engines.every((engine) => engine === "bun" || engine === "uws")) {
    refuse(
      `--engines is ${JSON.stringify(given.engines)}: must be bun, uws, or several of them with commas between`,
    );
  }
  const redis = wholeNumber("redis", given.redis, 1, 16);
  const port = wholeNumber("port", given.port, 0, 65_535);
  if (port !== 0 && port + nodes - 1 > 65_535)
    refuse(`--port is ${port}: must leave room for ${nodes} nodes`);
  const proxy = wholeNumber("proxy", given.proxy, 0, 65_535);
  if (proxy !== 0 && port !== 0 && proxy >= port && proxy < port + nodes)
    refuse(`--proxy is ${proxy}: must be none of the nodes' ports, ${port} to ${port + nodes - 1}`);
  const set = ours.find((name) => process.env[name] !== undefined);
  if (set) refuse(`${set} is set: must be absent, since each node of the cluster gets its own`);
  return { nodes, engines, redis, port, proxy };
}

function wholeNumber(name, value, least, most) {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  return refuse(`--${name} is ${JSON.stringify(value)}: must be an integer from ${least} to ${most}`);
}

function refuse(reason) {
  process.stderr.write(`cluster: ${reason.replace(/\s+/g, " ")}\n`);
  process.exit(1);
}

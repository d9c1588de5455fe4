// `npm run haproxy`: prints the configuration of HAProxy for the nodes it is given.

import { parseArgs } from "node:util";
import { type ProxiedNode, type ProxyOptions, proxyDefaults, renderProxy } from "./render.ts";

const usage = `npm run --silent haproxy -- --nodes 10.0.0.1:9001,10.0.0.2:9001 > haproxy.cfg

  --nodes         host:port of each node, with commas between. Their ids are 1, 2, 3… or what stands before it: 7=host:port.
                  An id is the node's place on the ring: give the same to all HAProxy, and keep them when a node goes.
  --bind          where clients connect (${proxyDefaults.bind}); *:443 for everybody
  --certificate   a PEM file with certificate and key, or a folder of them; without it TLS is somebody else's business
  --max           connections (${proxyDefaults.maxConnections}); the process needs twice as many files
  --per-address   connections of one address (${proxyDefaults.connectionsPerAddress})
  --rate          connections that one address may open in ten seconds (${proxyDefaults.connectionRate})
  --balance       most that a node gets of its even share of connections, in percent, 0 for any (${proxyDefaults.balancePercent})
  --heartbeat     the nodes' limits.heartbeatMs and limits.heartbeatTimeoutMs (${proxyDefaults.heartbeatMs},${proxyDefaults.heartbeatTimeoutMs})
  --api           let /api through
  --metrics       where Prometheus is answered (${proxyDefaults.metricsBind})
  --socket        the runtime API's Unix socket (${proxyDefaults.runtimeSocket})
  --log           where log lines go (${proxyDefaults.log})
  --hard-stop     how long the old process may live after a reload (${proxyDefaults.hardStop})

Each node needs FANWIRE_TRUSTED_PROXIES with the addresses of the HAProxy in front of it.`;

const given = readArguments();
if (given.help) process.stdout.write(`${usage}\n`);
else process.stdout.write(renderProxy(read(given)));

function readArguments() {
  const text = { type: "string" } as const;
  try {
    return parseArgs({
      options: {
        ...{ nodes: text, bind: text, certificate: text, max: text, "per-address": text, rate: text },
        ...{ balance: text, heartbeat: text, metrics: text, socket: text, log: text, "hard-stop": text },
        api: { type: "boolean" },
        help: { type: "boolean" },
      },
    }).values;
  } catch (error) {
    return refuse(`${(error as Error).message.replace(/\. To specify .*/s, "")}; --help says what there is`);
  }
}

function read(words: ReturnType<typeof readArguments>): ProxyOptions {
  const number = (name: "max" | "per-address" | "rate" | "balance", standard: number) =>
    words[name] === undefined ? standard : wholeNumber(name, words[name], 0, 10_000_000);
  const [heartbeat, timeout, ...more] = words.heartbeat?.split(",") ?? [];
  if (more.length > 0) refuse(`--heartbeat is ${words.heartbeat}: must be two numbers with a comma between`);
  const ms = (value: string | undefined, standard: number) =>
    value === undefined ? standard : wholeNumber("heartbeat", value, 10, 120_000);
  const balancePercent = number("balance", proxyDefaults.balancePercent);
  if (balancePercent > 0 && balancePercent <= 100) {
    refuse(`--balance is ${balancePercent}: must be more than 100, or 0`);
  }
  return {
    nodes: readNodes(words.nodes),
    bind: oneWord("bind", words.bind ?? proxyDefaults.bind),
    ...(words.certificate !== undefined && { certificate: oneWord("certificate", words.certificate) }),
    metricsBind: oneWord("metrics", words.metrics ?? proxyDefaults.metricsBind),
    runtimeSocket: oneWord("socket", words.socket ?? proxyDefaults.runtimeSocket),
    log: oneLine("log", words.log ?? proxyDefaults.log),
    hardStop: oneWord("hard-stop", words["hard-stop"] ?? proxyDefaults.hardStop),
    maxConnections: number("max", proxyDefaults.maxConnections),
    connectionsPerAddress: number("per-address", proxyDefaults.connectionsPerAddress),
    connectionRate: number("rate", proxyDefaults.connectionRate),
    balancePercent,
    hasApi: words.api === true,
    heartbeatMs: ms(heartbeat, proxyDefaults.heartbeatMs),
    heartbeatTimeoutMs: ms(timeout, proxyDefaults.heartbeatTimeoutMs),
  };
}

function readNodes(list: string | undefined): readonly ProxiedNode[] {
  if (list === undefined) return refuse("--nodes is missing; --help says what there is");
  const nodes = list.split(",").map((word, index) => {
    const [, id = `${index + 1}`, address = ""] = /^(?:(\d{1,4})=)?(.*)$/.exec(word) ?? [];
    if (!/^[\w.[\]:-]+:\d{1,5}$/.test(address)) {
      refuse(`--nodes has ${JSON.stringify(word)}: must be host:port or id=host:port`);
    }
    return { id: wholeNumber("nodes", id, 1, 4095), address };
  });
  if (new Set(nodes.map(({ id }) => id)).size < nodes.length)
    refuse(`--nodes is ${list}: must have different ids`);
  return nodes;
}

function wholeNumber(name: string, value: string, least: number, most: number): number {
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= least && number <= most) return number;
  return refuse(`--${name} is ${JSON.stringify(value)}: must be an integer from ${least} to ${most}`);
}

function oneWord(name: string, value: string): string {
  return /^\S+$/.test(value) ? value : refuse(`--${name} is ${JSON.stringify(value)}: must be one word`);
}

function oneLine(name: string, value: string): string {
  return /^\P{Cc}+$/u.test(value) ? value : refuse(`--${name} is ${JSON.stringify(value)}: must be one line`);
}

function refuse(reason: string): never {
  process.stderr.write(`haproxy: ${reason.replace(/\s+/g, " ")}\n`);
  process.exit(1);
}

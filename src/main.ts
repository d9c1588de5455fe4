#!/usr/bin/env node
// The process: arguments, environment, signals and exit codes; knows nothing of what a server does.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ConfigError, describeOptions, loadOptions, type Options } from "./config/config.ts";
import { createLog, type Log } from "./log.ts";
import { startNode } from "./node.ts";
import type { Server } from "./server.ts";
import { version } from "./version.ts";

/** One keystroke may arrive twice: from the terminal, and passed on by npm. */
const sameKeystrokeMs = 250;
/** How long connections may take to close after a fault, when nothing can be relied upon any more. */
const faultExitMs = 1000;

/** What the runtimes say of an address that is not ours, and of a name that has none. */
const noSuchAddress = new Set(["EADDRNOTAVAIL", "EINVAL", "ENOTFOUND", "EAI_AGAIN"]);

let server: Server | undefined;
let isFaulty = false;

// uWebSockets.js reads this when it is loaded. Its own 4 KiB for all headers together are less than a token may have.
process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= "16384";

await main();

async function main(): Promise<void> {
  const asked = readArguments();
  if (asked.help) return print(usage());
  if (asked.version) return print(version);
  let options: Options;
  try {
    options = loadOptions(process.env, (path) => readFileSync(path, "utf8"));
  } catch (error) {
    return refuse(reasonOf(error));
  }
  const log = createLog(options.logLevel);
  endOnSignals(log);
  endOnFaults(log);
  try {
    server = await startNode(options, {}, log);
  } catch (error) {
    return refuse(reasonOf(error, options));
  }
  if (options.console) log.info("page", { url: consoleUrl(server.address) });
}

function consoleUrl(address: Server["address"]): string {
  const { host = address.host, port = address.port } = { host: address.adminHost, port: address.adminPort };
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}/`;
}

function readArguments(): { help?: boolean; version?: boolean } {
  try {
    return parseArgs({ options: { help: { type: "boolean" }, version: { type: "boolean" } } }).values;
  } catch {
    const given = process.argv.slice(2).map((argument) => JSON.stringify(argument));
    return refuse(`cannot be started with ${given.join(" ")}; --help says what there is`);
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Ends a start that cannot succeed, with one line. */
function refuse(reason: string): never {
  process.stderr.write(`fanwire: ${reason.replace(/\s+/g, " ")}\n`);
  process.exit(1);
}

function reasonOf(error: unknown, options?: Options): string {
  if (error instanceof ConfigError || !(error instanceof Error))
    return String((error as Error).message ?? error);
  const code = (error as NodeJS.ErrnoException).code;
  if (code === "ERR_MODULE_NOT_FOUND" && error.message.includes("uWebSockets.js")) {
    return 'on Node.js the package uWebSockets.js is needed: npm install "uWebSockets.js@npm:uws-pack@20.0.8"';
  }
  const isAdmin = (error as { listener?: string }).listener === "admin";
  const prefix = isAdmin ? "FANWIRE_ADMIN" : "FANWIRE";
  if (code === "EADDRINUSE" || code === "EACCES") {
    return `${prefix}_PORT is ${isAdmin ? options?.adminPort : options?.port}: must be a free port that this user may take (${code})`;
  }
  if (code !== undefined && noSuchAddress.has(code)) {
    return `${prefix}_HOST is ${isAdmin ? options?.adminHost : options?.host}: must be an address of this machine (${code})`;
  }
  return error.message;
}

function endOnSignals(log: Log): void {
  let firstAt: number | undefined;
  const end = (signal: NodeJS.Signals) => {
    if (firstAt !== undefined) {
      if (performance.now() - firstAt > sameKeystrokeMs) process.exit(1);
      return;
    }
    firstAt = performance.now();
    log.info("closing", { signal });
    if (server === undefined) process.exit(0);
    server.close().then(
      () => process.exit(0),
      (error) => fault(log, error),
    );
  };
  process.on("SIGTERM", end).on("SIGINT", end);
}

function endOnFaults(log: Log): void {
  process.on("uncaughtException", (error) => fault(log, error));
  process.on("unhandledRejection", (error) => fault(log, error));
}

function fault(log: Log, error: unknown): void {
  log.error("fault", { error });
  if (isFaulty || server === undefined) process.exit(1);
  isFaulty = true;
  setTimeout(() => process.exit(1), faultExitMs);
  void server.close().finally(() => process.exit(1));
}

function usage(): string {
  const variables = describeOptions().filter(({ variable }) => variable !== "");
  const width = Math.max(...variables.map(({ variable }) => variable.length));
  const lines = variables.map(
    (row) => `  ${row.variable.padEnd(width)}  ${row.meaning} Default: ${row.default}.`,
  );
  return `fanwire ${version}: a real-time fan-out server

Usage: fanwire [--help | --version]

Everything else is set by variables, and by the file that FANWIRE_CONFIG names:
${lines.join("\n")}`;
}

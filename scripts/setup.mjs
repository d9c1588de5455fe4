// What every command of this project needs first: its packages and a bun that runs; node built-ins only.

import { spawn, spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const bun = join(root, "node_modules", ".bin", "bun");

/** One line of progress. */
export function say(text) {
  console.log(`> ${text}`);
}

/** Runs a command with our terminal. Our signals reach it as in `ended`. Resolves to its exit code. */
export function run(command, args) {
  return ended(spawn(command, args, { cwd: root, stdio: "inherit" }), command);
}

/**
 * Runs a command beside others: at a low priority, its output kept until its end. Our signals reach it as in `ended`. Resolves
 * to its exit code and its output.
 */
export async function runQuietly(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  if (child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_BELOW_NORMAL);
  const chunks = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => chunks.push(chunk));
  const code = await ended(child, command);
  return { code, output: Buffer.concat(chunks).toString() };
}

/**
 * Passes our SIGINT and SIGTERM on to a process so that nothing is left behind, and resolves to its exit code once it has ended
 * and all that it wrote has been read.
 */
function ended(child, command) {
  const forward = (signal) => child.kill(signal);
  process.on("SIGINT", forward).on("SIGTERM", forward);
  return new Promise((resolve) => {
    const finish = (code) => {
      process.off("SIGINT", forward).off("SIGTERM", forward);
      resolve(code);
    };
    child.on("error", (error) => {
      say(`${command} could not be started: ${error.message}`);
      finish(127);
    });
    child.on("close", (code, signal) => finish(code ?? 128 + constants.signals[signal]));
  });
}

/** Runs a command that everything after it depends on: if it fails, this process ends with its exit code. */
export async function must(what, command, args) {
  say(what);
  const code = await run(command, args);
  if (code === 0) return;
  say(`failed (exit code ${code}): ${what}`);
  process.exit(code);
}

/** Runs a package's JavaScript command under this Node, which works alike on every system. */
export function mustNode(what, script, args) {
  return must(what, process.execPath, [join(root, "node_modules", script), ...args]);
}

/** Installs the packages if they are missing or older than the lockfile, and sees to it that bun runs. */
export async function setup() {
  await install("the packages");
  if (!bunRuns()) {
    // npm may have been told not to run packages' scripts; bun's one puts the executable for this system in its place.
    await mustNode("placing the bun executable", "bun/install.js", []);
    if (!bunRuns()) {
      say(`${bun} does not run on this system`);
      process.exit(1);
    }
  }
}

/** Sees to it that what a folder's lockfile names is installed there. */
export async function install(what, folder = root) {
  if (installed(folder)) return;
  const npm = process.env.npm_execpath?.endsWith("npm-cli.js") ? process.env.npm_execpath : undefined;
  const [command, args] = npm ? [process.execPath, [npm]] : ["npm", []];
  await must(`installing ${what} (npm ci)`, command, [
    ...args,
    "ci",
    "--no-audit",
    "--no-fund",
    "--prefix",
    folder,
  ]);
}

function installed(folder) {
  // npm writes this file last, so an installation that was interrupted does not count.
  const marker = statSync(join(folder, "node_modules", ".package-lock.json"), { throwIfNoEntry: false });
  return marker !== undefined && marker.mtimeMs >= statSync(join(folder, "package-lock.json")).mtimeMs;
}

function bunRuns() {
  return spawnSync(bun, ["--version"], { stdio: "ignore" }).status === 0;
}

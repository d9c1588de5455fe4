// Centrifugo's program: built once by Go from its module, into a cache outside of the repository.

import { execFile, execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

export const centrifugoVersion = "v6.9.1";
const module = `github.com/centrifugal/centrifugo/v6@${centrifugoVersion}`;

/** XDG base directories: what can be made again. */
export const centrifugoFolder = (environment: NodeJS.ProcessEnv = process.env): string =>
  join(
    environment.XDG_CACHE_HOME ?? join(homedir(), ".cache"),
    "fanwire-bench",
    `centrifugo-${centrifugoVersion}`,
  );

export const centrifugoProgram = (environment?: NodeJS.ProcessEnv): string =>
  join(centrifugoFolder(environment), "centrifugo");

/** One sentence if it has not been built. */
export function missingCentrifugo(): string | undefined {
  if (existsSync(centrifugoProgram())) return undefined;
  return "Centrifugo is not built: bun bench/peers/centrifugo/prepare.ts builds it, with Go.";
}

/**
 * Sees to it that the program is there: builds it, which takes minutes and says so, if it is not. Answers one
 * sentence if it cannot. `environment` is for tests.
 */
export async function ensureCentrifugo(environment = process.env): Promise<string | undefined> {
  if (existsSync(centrifugoProgram(environment))) return undefined;
  try {
    execFileSync("go", ["version"], { env: environment, stdio: "ignore" });
  } catch {
    return "Go is not on the PATH, and Centrifugo is built with it.";
  }
  const folder = centrifugoFolder(environment);
  mkdirSync(folder, { recursive: true });
  console.error(`building Centrifugo ${centrifugoVersion}, once, in ${folder}`);
  const env = { ...environment, CGO_ENABLED: "0", GOBIN: folder };
  try {
    await promisify(execFile)("go", ["install", module], { env });
  } catch (error) {
    const lines = String((error as { stderr?: string }).stderr ?? error)
      .trim()
      .split("\n");
    return `Centrifugo ${centrifugoVersion} could not be built: ${lines.at(-1)}`;
  }
  return undefined;
}

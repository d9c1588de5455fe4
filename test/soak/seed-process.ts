// Runs a share of the simulation's seeds in a process of its own, perhaps of another copy of the project.

import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Outcome, Share } from "./seeds.ts";

/** Resolves to what came of them in the end; `soFar` is told on the way too. Rejects where the process fails. */
export async function runSeeds(
  share: Share,
  soFar: (outcome: Outcome) => void = () => undefined,
  copy = process.cwd(),
): Promise<Outcome> {
  const child = spawn(process.execPath, ["test/soak/seeds.ts", JSON.stringify(share)], {
    cwd: copy,
    // The channel ends the child with this process, however that ends.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  let trouble = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => {
    trouble += text;
  });
  let last: Outcome | undefined;
  for await (const line of createInterface({ input: child.stdout! })) {
    last = JSON.parse(line) as Outcome;
    soFar(last);
  }
  if ((await ended) !== 0 || !last) throw new Error(`the simulation did not run: ${trouble.slice(0, 500)}`);
  return last;
}

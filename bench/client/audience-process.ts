// Starts a process of subscribers (audience-group.ts) on the generator's core.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cores } from "../targets/servers.ts";
import type { AudienceMode } from "./audience.ts";
import type { AudienceRecord, AudienceSettings, JoinRecord } from "./audience-group.ts";

export interface AudienceProcess {
  readonly pid: number;
  /** Resolves when everybody has joined. */
  readonly joined: Promise<JoinRecord>;
  /** `expected`: deliveries to this process. Resolves when they are here, or their time is over; the process ends. */
  finish(expected: Readonly<Record<AudienceMode, number>>): Promise<AudienceRecord>;
}

export function startAudience(settings: AudienceSettings): AudienceProcess {
  const script = join(import.meta.dirname, "audience-group.ts");
  const pinned = ["-c", String(cores.generator), process.execPath, script];
  const child = spawn("taskset", [...pinned, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const kill = () => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
  const lines = createInterface({ input: child.stdout });
  const told = <Told>() =>
    new Promise<Told>((resolve, reject) => {
      const fail = (code: number | null) => reject(new Error(`the subscribers ended with ${code}`));
      child.once("exit", fail);
      lines.once("line", (line) => {
        child.off("exit", fail);
        resolve(JSON.parse(line) as Told);
      });
    });
  return {
    pid: child.pid as number,
    joined: told<JoinRecord>(),
    finish(expected) {
      const record = told<AudienceRecord>();
      child.stdin.write(`${JSON.stringify(expected)}\n`);
      return record;
    },
  };
}

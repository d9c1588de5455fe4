// Starts a process of idle connections (idle-group.ts) on the generator's core.

import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { cores } from "../targets/servers.ts";
import type { IdleRecord, IdleSettings, OpenedRecord } from "./idle-group.ts";

export interface IdleProcess {
  /** Resolves when all are connected. */
  readonly opened: Promise<OpenedRecord>;
  /** Cuts them; the process ends. */
  finish(): Promise<IdleRecord>;
}

export function startIdle(settings: IdleSettings): IdleProcess {
  const script = join(import.meta.dirname, "idle-group.ts");
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
      const fail = (code: number | null) => reject(new Error(`the idle connections ended with ${code}`));
      child.once("exit", fail);
      lines.once("line", (line) => {
        child.off("exit", fail);
        resolve(JSON.parse(line) as Told);
      });
    });
  return {
    opened: told<OpenedRecord>(),
    async finish() {
      const record = told<IdleRecord>();
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.stdin.write("end\n");
      await Promise.all([record, ended]);
      return record;
    },
  };
}

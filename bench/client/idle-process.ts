// Starts a process of idle connections (idle-group.ts) on the generator's core.

import { join } from "node:path";
import type { IdleRecord, IdleSettings, OpenedRecord } from "./idle-group.ts";
import { startLineProcess } from "./line-process.ts";

export interface IdleProcess {
  /** Resolves when all are connected. */
  readonly opened: Promise<OpenedRecord>;
  /** Cuts them; the process ends. */
  finish(): Promise<IdleRecord>;
}

export function startIdle(settings: IdleSettings): IdleProcess {
  const script = join(import.meta.dirname, "idle-group.ts");
  const idle = startLineProcess(script, settings, "the idle connections");
  return {
    opened: idle.told<OpenedRecord>(),
    async finish() {
      const record = idle.told<IdleRecord>();
      idle.say("end");
      await Promise.all([record, idle.ended]);
      return record;
    },
  };
}

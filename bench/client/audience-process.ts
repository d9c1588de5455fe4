// Starts a process of subscribers (audience-group.ts) on the generator's core.

import { join } from "node:path";
import type { AudienceMode } from "./audience.ts";
import type { AudienceRecord, AudienceSettings, JoinRecord } from "./audience-group.ts";
import { startLineProcess } from "./line-process.ts";

export interface AudienceProcess {
  readonly pid: number;
  /** Resolves when everybody has joined. */
  readonly joined: Promise<JoinRecord>;
  /** `expected`: deliveries to this process. Resolves when they are here, or their time is over; the process ends. */
  finish(expected: Readonly<Record<AudienceMode, number>>): Promise<AudienceRecord>;
}

export function startAudience(settings: AudienceSettings): AudienceProcess {
  const script = join(import.meta.dirname, "audience-group.ts");
  const audience = startLineProcess(script, settings, "the subscribers");
  return {
    pid: audience.pid,
    joined: audience.told<JoinRecord>(),
    finish(expected) {
      const record = audience.told<AudienceRecord>();
      audience.say(JSON.stringify(expected));
      return record;
    },
  };
}

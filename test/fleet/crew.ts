// Some of a fleet's clients, in a runtime of their own, as the soak sees them: whatever a group can do may be asked of it. Types only.

import type { Group } from "./group.ts";

export type Runtime = "Bun" | "Node.js 22" | "Deno" | "Chromium";

export interface Crew extends AsyncDisposable {
  /** Answers what the group in there answers. Rejects where its runtime ended, or says nothing. One question at a time. */
  ask<Name extends keyof Group>(
    command: Name,
    ...args: Parameters<Group[Name]>
  ): Promise<Awaited<ReturnType<Group[Name]>>>;
}

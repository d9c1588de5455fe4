// Every Lua script there is, by name; a table of its own for what belongs together. Knows no connection.

import { instanceScripts } from "./scripts-instances.ts";
import { presenceScripts } from "./scripts-presence.ts";
import { topicScripts } from "./scripts-topics.ts";

export const scripts = { ...topicScripts, ...instanceScripts, ...presenceScripts } as const;

export type ScriptName = keyof typeof scripts;

// Log lines: one JSON object each, on standard output; knows nothing of what is logged. The only door to pino.

import { destination, pino, stdSerializers } from "pino";
import type { LogLevel } from "./config/options.ts";

/** Further fields of a line. An error goes under `error` and keeps its stack. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes lines such as `{"level":"info","time":…,"event":"listening","port":9001}`. `event` is a fixed word to search for. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** `write` receives whole lines; by default they go to standard output. */
export function createLog(level: LogLevel, write?: (line: string) => void): Log {
  const logger = pino(
    {
      level,
      // Without the process id and the host's name: whoever collects the lines knows both.
      base: null,
      timestamp: () => `,"time":${Date.now()}`,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: stdSerializers.err },
    },
    write === undefined ? standardOutput() : { write },
  );
  return {
    debug: (event, fields) => logger.debug({ event, ...fields }),
    info: (event, fields) => logger.info({ event, ...fields }),
    warn: (event, fields) => logger.warn({ event, ...fields }),
    error: (event, fields) => logger.error({ event, ...fields }),
  };
}

function standardOutput() {
  // Synchronous, so that the last lines before an exit are not lost.
  const output = destination({ dest: 1, sync: true });
  // A full disk is no reason to end; of a reader that went away pino takes care itself.
  output.on("error", () => undefined);
  return output;
}

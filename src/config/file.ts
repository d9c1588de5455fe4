// The file of options: from a path to an object; knows nothing of what the options are.

import { ConfigError } from "./options.ts";

/** Throws a ConfigError whose message repeats nothing of what the file holds. */
export function parseFile(path: string, readFile: (path: string) => string): object {
  let source: string;
  try {
    source = readFile(path);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new ConfigError(`FANWIRE_CONFIG is ${JSON.stringify(path)}, a file that cannot be read: ${reason}`);
  }
  let file: unknown;
  try {
    file = JSON.parse(source);
  } catch {
    // The runtime's own words quote from the file, and a secret may be what they quote.
    throw new ConfigError(`FANWIRE_CONFIG is ${JSON.stringify(path)}, a file that is not valid JSON`);
  }
  if (typeof file === "object" && file !== null && !Array.isArray(file)) return file;
  throw new ConfigError(`FANWIRE_CONFIG is ${JSON.stringify(path)}, a file that does not hold a JSON object`);
}

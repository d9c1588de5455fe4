// Whether the two listeners of a node can both be, as far as options say.

import { ConfigError, type InputOptions, type Locate, type Options } from "./options.ts";

export function checkListeners(input: InputOptions, options: Options, locate: Locate): void {
  const { host, port, adminHost, adminPort } = options;
  if (adminPort === undefined && input.adminHost !== undefined) {
    const given = `${locate(["adminHost"])} is ${JSON.stringify(adminHost)}`;
    throw new ConfigError(`${given}: must be absent where FANWIRE_ADMIN_PORT (adminPort) is`);
  }
  if (adminPort === undefined || adminPort === 0 || adminPort !== port || adminHost !== host) return;
  throw new ConfigError(`${locate(["adminPort"])} is ${adminPort}: must be another port than the first one`);
}

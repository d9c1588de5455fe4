// Whether the two listeners of a node can both be, and the console on one of them, as far as options say.

import { developmentMode } from "./authentication.ts";
import { ConfigError, type InputOptions, type Locate, type Options } from "./options.ts";

export function checkListeners(input: InputOptions, options: Options, locate: Locate): void {
  const { host, port, adminHost, adminPort } = options;
  if (adminPort === undefined && input.adminHost !== undefined) {
    const given = `${locate(["adminHost"])} is ${JSON.stringify(adminHost)}`;
    throw new ConfigError(`${given}: must be absent where FANWIRE_ADMIN_PORT (adminPort) is`);
  }
  const isSeen = developmentMode(options) || options.apiKeys.length > 0 || adminPort !== undefined;
  if (options.console && !isSeen) {
    throw new ConfigError(
      `${locate(["console"])} is true: must be false where both FANWIRE_API_KEY (apiKeys) and FANWIRE_ADMIN_PORT ` +
        "(adminPort) are absent, because nobody could be told the node's state",
    );
  }
  if (adminPort === undefined || adminPort === 0 || adminPort !== port || adminHost !== host) return;
  throw new ConfigError(`${locate(["adminPort"])} is ${adminPort}: must be another port than the first one`);
}

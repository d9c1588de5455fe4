// How tokens are to be verified, as far as options say: which of them exclude each other, and what development mode is.

import { isIPv4 } from "node:net";
import { ConfigError, type Locate, type Options } from "./options.ts";

const ways = {
  jwtSecret: "FANWIRE_JWT_SECRET",
  jwksUrl: "FANWIRE_JWKS_URL",
  jwksFile: "FANWIRE_JWKS_FILE",
} as const;
type Way = keyof typeof ways;
const wayNames = Object.keys(ways) as Way[];

/** Whether tokens are not verified: everybody is a guest, so the node stays on loopback. */
export function developmentMode(options: { readonly [name in Way]?: string | undefined }): boolean {
  return wayNames.every((way) => options[way] === undefined);
}

/** The URL of a key set, in one form; undefined where it is none. Nothing secret is in it, since it will be shown. */
export function normalUrl(value: string): string | undefined {
  if (value.length > 2048 || !/^https?:\/\//i.test(value) || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return url.username === "" && url.password === "" && url.hash === "" ? url.href : undefined;
}

export function checkAuthentication(options: Options, locate: Locate): void {
  const [first, second] = wayNames.filter((way) => options[way] !== undefined);
  if (first && second) {
    throw new ConfigError(
      `${locate([second])} is set: must be absent where ${ways[first]} (${first}) is set`,
    );
  }
  if (first) return;
  const none = Object.values(ways).join(", ");
  for (const name of ["jwtIssuer", "jwtAudience"] as const) {
    if (options[name] === undefined) continue;
    const value = JSON.stringify(options[name]);
    throw new ConfigError(`${locate([name])} is ${value}: must be absent where all of ${none} are`);
  }
  for (const name of ["host", "adminHost"] as const) {
    if (isLoopback(options[name])) continue;
    throw new ConfigError(
      `${locate([name])} is ${JSON.stringify(options[name])}: must be loopback (127.0.0.1, ::1, localhost) while ` +
        `none of ${none} is set, because without them everybody is let in`,
    );
  }
}

/** Whether what listens there is reached from this machine alone. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));
}

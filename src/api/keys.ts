// Whether a request brings one of the API's keys, compared without telling by the time it takes how much of it is right.

import { createHash, timingSafeEqual } from "node:crypto";

/** `authorization`: the header as sent. */
export type KeyCheck = (authorization: string | undefined) => boolean;

export function createKeyCheck(keys: readonly string[]): KeyCheck {
  const digests = keys.map(digest);
  return (authorization = "") => {
    const given = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (given === undefined) return false;
    const digested = digest(given);
    // With each of them, so that the time does not tell which key it is either.
    return digests.filter((known) => timingSafeEqual(known, digested)).length > 0;
  };
}

/** All digests have one length, whatever the lengths of the keys. */
function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}

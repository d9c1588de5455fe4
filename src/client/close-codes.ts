// What the client does when its socket is closed, by close code (errors.ts and PROTOCOL.md say it in words). Knows no sockets.

/**
 * `early`: comes back soon, and backs off while that fails. `announced`: within the time the server announced. `back-off`: backs
 * off at once. `new-token`: comes back early with a new token, and stays away where there is none to be had.
 * `new-token-once`: the same, but a second time in a row it stays away. `never`: stays away.
 */
export type Comeback = "early" | "announced" | "back-off" | "new-token" | "new-token-once" | "never";

const comebacks: Readonly<Record<number, Comeback>> = {
  1006: "early",
  1008: "new-token-once",
  1009: "early",
  1011: "early",
  1012: "announced",
  4000: "never",
  4001: "new-token",
  4002: "early",
  4004: "never",
  4005: "early",
};

/** 1013 (`overloaded`), 4003 (`rate-limited`) and whatever a proxy may come up with: back off. */
export function comebackAfter(code: number): Comeback {
  return comebacks[code] ?? "back-off";
}

// What the client asks of the runtime it is in: a clock, chance, a WebSocket, and news of the network. Knows nothing of fanwire.

/** A clock and its timers. Tests bring one whose time passes when they say so. */
export interface Clock {
  /** Unix milliseconds. */
  now(): number;
  /** Does the work once, after so many milliseconds. What it returns takes that back. */
  after(delayMs: number, work: () => void): () => void;
}

/** As much of the standard WebSocket as the client uses. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  send(data: string | Uint8Array): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

export interface Environment {
  readonly clock: Clock;
  /** From 0, less than 1. */
  readonly random: () => number;
  readonly WebSocket: WebSocketConstructor;
}

// Named here and not taken from a library of types, so that none has to be there where the client is used.
interface Globals {
  readonly WebSocket?: WebSocketConstructor;
  readonly location?: { readonly href: string };
  readonly setTimeout: (work: () => void, delayMs: number) => unknown;
  readonly clearTimeout: (timer: unknown) => void;
  readonly addEventListener?: (event: "online", work: () => void) => void;
  readonly removeEventListener?: (event: "online", work: () => void) => void;
}

const globals = globalThis as unknown as Globals;

/** Timers take no longer delay than this; one above it would fire at once. */
const longestDelayMs = 2 ** 31 - 1;

const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, work) {
    const timer = globals.setTimeout(work, Math.min(delayMs, longestDelayMs));
    return () => globals.clearTimeout(timer);
  },
};

export function environmentFor(given: { readonly [Name in keyof Environment]?: unknown }): Environment {
  const WebSocket = (given.WebSocket ?? globals.WebSocket) as WebSocketConstructor | undefined;
  if (!WebSocket) {
    throw new TypeError(
      "This runtime has no WebSocket: take Node.js 22 or newer, or give the option `WebSocket`.",
    );
  }
  const clock = (given.clock ?? systemClock) as Clock;
  return { clock, random: (given.random ?? Math.random) as () => number, WebSocket };
}

/** The address to open: relative ones are the page's own, and `http` stands for `ws`. */
export function addressOf(url: string | URL, query: Readonly<Record<string, string | undefined>>): string {
  const address = new URL(url, globals.location?.href);
  address.protocol = address.protocol.replace("http", "ws");
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) address.searchParams.set(name, value);
  }
  return address.href;
}

/** Tells when the browser finds the network again; elsewhere never. What it returns takes that back. */
export function onOnline(work: () => void): () => void {
  globals.addEventListener?.("online", work);
  return () => globals.removeEventListener?.("online", work);
}

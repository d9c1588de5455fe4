// Which web pages may connect, judged by the headers Origin and Host; knows nothing of requests or options.

const usualPorts: Readonly<Record<string, string>> = { "http:": "80", "https:": "443" };

/** The headers as sent; absent where they are. */
export interface OriginHeaders {
  readonly origin: string | undefined;
  readonly host: string | undefined;
}

/**
 * Whether a handshake may come from this page: there is none (not a browser), or it is of the same origin, or it is listed.
 * The schemes are not compared, because behind a proxy that ends TLS the page says `https` and nothing here can tell.
 */
export function originAllowed({ origin, host }: OriginHeaders, allowedOrigins: readonly string[]): boolean {
  if (origin === undefined) return true;
  if (allowedOrigins.includes(origin.toLowerCase())) return true;
  if (host === undefined || !URL.canParse(origin)) return false;
  const page = new URL(origin);
  const usualPort = usualPorts[page.protocol];
  if (usualPort === undefined) return false;
  const authority = host.toLowerCase();
  return authority === page.host || (page.port === "" && authority === `${page.host}:${usualPort}`);
}

/**
 * Whether the Host header names this machine. A page that points its own name at 127.0.0.1 reaches a node on loopback with an
 * Origin that equals Host: the name gives it away.
 */
export function hostIsLoopback(host: string | undefined): boolean {
  const name = host?.toLowerCase().replace(/:\d*$/, "");
  if (name === undefined) return false;
  if (name === "localhost" || name.endsWith(".localhost") || name === "[::1]") return true;
  const parts = /^127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(name);
  return parts?.slice(1).every((part) => Number(part) <= 255) ?? false;
}

/** The form in which browsers write an origin: lower case, without the scheme's usual port. Undefined where it is none. */
export function normalOrigin(origin: string): string | undefined {
  if (!/^[a-z][a-z\d+.-]*:\/\/[^\s/?#@*\\]+$/i.test(origin) || !URL.canParse(origin)) return undefined;
  const { origin: normal } = new URL(origin);
  // The standard gives other schemes, such as those of app shells, no origin of their own.
  return normal === "null" ? origin.toLowerCase() : normal;
}

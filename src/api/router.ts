// From method and path to a route and the parameters in its path; knows nothing of what a route does.

import type { HttpRequest } from "../engine/engine.ts";
import { FanwireError } from "../errors.ts";
import { Refusal } from "./refusal.ts";

export interface Route<Run> {
  readonly method: "GET" | "POST";
  /** A segment that begins with `:` is a parameter. */
  readonly path: string;
  readonly run: Run;
}

export interface Match<Run> {
  readonly route: Route<Run>;
  /** Decoded, in the order in which the path has them. */
  readonly parameters: readonly string[];
}

/** Finds the route of a request. Throws Refusal 404 and 405, and FanwireError `bad-frame` for a parameter that is not UTF-8. */
export function createRouter<Run>(
  routes: readonly Route<Run>[],
): (request: Pick<HttpRequest, "method" | "path">) => Match<Run> {
  const patterns = routes.map((route) => ({ route, segments: route.path.split("/") }));
  return ({ method, path }) => {
    const given = path.split("/");
    const found = patterns.find(({ segments }) => fits(segments, given));
    if (!found) throw new Refusal(404, "The API has no such path.");
    const { route, segments } = found;
    const allowed = route.method === "GET" ? ["GET", "HEAD"] : ["POST"];
    if (!allowed.includes(method)) {
      const allow = allowed.join(", ");
      throw new Refusal(405, `The method here is ${allow}.`, { allow });
    }
    const parameters = given.filter((_, place) => segments[place]!.startsWith(":")).map(decode);
    return { route, parameters };
  };
}

function fits(segments: readonly string[], given: readonly string[]): boolean {
  return (
    segments.length === given.length &&
    segments.every((segment, place) => segment === given[place] || segment.startsWith(":"))
  );
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new FanwireError("bad-frame", "The path has a % that encodes no UTF-8.");
  }
}

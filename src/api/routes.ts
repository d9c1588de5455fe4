// What each route of the server API does; knows nothing of HTTP but what a route is.

import type { Bridge, Position } from "../bridge/bridge.ts";
import type { Limits } from "../config/limits.ts";
import { FanwireError } from "../errors.ts";
import type { Hub } from "../hub/hub.ts";
import type { Log } from "../log.ts";
import { historyAnswer } from "../requests/history-answer.ts";
import { presenceAnswer } from "../requests/presence-answer.ts";
import type { Publications } from "../requests/publications.ts";
import { checkHistory, checkPresence } from "../requests/reading-rules.ts";
import { payloadBytes, type WireFormat } from "../wire/format.ts";
import {
  checkUserId,
  parseBatch,
  parseDisconnect,
  parseHistoryQuery,
  parsePublication,
} from "../wire/inbound-api.ts";
import { checkTopicName } from "../wire/topic-name.ts";
import { asFanwireError, errorBody } from "./refusal.ts";
import type { Route } from "./router.ts";

export interface RoutesOptions {
  readonly hub: Hub;
  readonly bridge: Bridge;
  readonly publications: Publications;
  readonly limits: Limits;
  readonly log: Log;
  readonly stats: () => object;
}

/** One request, read whole. */
export interface ApiCall {
  readonly parameters: readonly string[];
  readonly query: URLSearchParams;
  /** Undefined where there is none. */
  readonly body: unknown;
  readonly bodyBytes: number;
  readonly bodyFormat: WireFormat;
  readonly answerFormat: WireFormat;
  /** The header, as sent. */
  readonly idempotencyKey: string | undefined;
}

export type Run = (call: ApiCall) => object | Promise<object>;

export function createRoutes(options: RoutesOptions): readonly Route<Run>[] {
  const { hub, bridge, limits, publications, log, stats } = options;

  const publishOne = async ({ body, bodyBytes, idempotencyKey }: ApiCall, topic?: string) => {
    const wanted = parsePublication(body, { topic, idempotencyKey });
    return positionOf(await publications.accept(wanted, bodyBytes));
  };

  const publishMany = async ({ body, bodyBytes, bodyFormat, idempotencyKey }: ApiCall) => {
    if (idempotencyKey !== undefined) {
      throw new FanwireError("bad-frame", "Each publication of a batch has its own `idempotencyKey`.");
    }
    const attempt = async (item: unknown) => {
      const size = () => payloadBytes(bodyFormat.encode(item as object));
      try {
        return positionOf(await publications.accept(parsePublication(item), bodyBytes, size));
      } catch (failure) {
        return errorBody(asFanwireError(failure, log));
      }
    };
    // All of them in this turn, so that they share what a turn's publications share.
    return { results: await Promise.all(parseBatch(body, limits.maxBatchPublications).map(attempt)) };
  };

  const disconnect = async ({ parameters: [userId], body }: ApiCall) => {
    const { reason } = parseDisconnect(body);
    await bridge.disconnect(checkUserId(userId), reason);
    return {};
  };

  const history = ({ parameters: [topic], query, answerFormat }: ApiCall) => {
    const wanted = { topic: checkTopicName(topic), ...parseHistoryQuery(query) };
    checkHistory(wanted, hub.namespace(wanted.topic), answerFormat, limits);
    return historyAnswer(bridge, wanted, limits);
  };

  const presence = ({ parameters: [name] }: ApiCall) => {
    const topic = checkTopicName(name);
    checkPresence(hub.namespace(topic));
    return presenceAnswer(bridge, topic, limits);
  };

  const userTopic = ([userId]: readonly string[]) => `user:${checkUserId(userId)}`;
  return [
    { method: "POST", path: "/api/publish", run: (call) => publishOne(call) },
    { method: "POST", path: "/api/publish/batch", run: publishMany },
    {
      method: "POST",
      path: "/api/users/:userId/send",
      run: (call) => publishOne(call, userTopic(call.parameters)),
    },
    { method: "POST", path: "/api/users/:userId/disconnect", run: disconnect },
    { method: "POST", path: "/api/broadcast", run: (call) => publishOne(call, "broadcast:all") },
    { method: "GET", path: "/api/topics/:topic/history", run: history },
    { method: "GET", path: "/api/topics/:topic/presence", run: presence },
    { method: "GET", path: "/api/stats", run: stats },
  ];
}

/** A volatile publication has no position. */
function positionOf(position: Position | undefined): object {
  return position === undefined ? {} : { epoch: position.epoch, offset: position.offset };
}

// Who may read and write which topic: the application first, then the token's grants and the namespace's rules.

import type { AccessRequest, Application } from "../application.ts";
import type { Claims } from "../auth/auth.ts";
import { covers } from "../auth/grants.ts";
import type { Limits } from "../config/limits.ts";
import type { NamespaceOptions } from "../config/options.ts";
import { FanwireError } from "../errors.ts";
import type { Subscription } from "../hub/active-topic.ts";
import type { FewMap } from "../hub/few.ts";
import { withDeadline } from "./deadline.ts";

/** Who asks: a connection of either kind. */
export interface Asker {
  readonly userId: string;
  readonly claims: Claims;
  readonly subscriptions: FewMap<Subscription>;
}

/** The topics a client is joined to without asking, and may join again without a grant. */
export function ownTopics(userId: string): readonly string[] {
  return [`user:${userId}`, "broadcast:all"];
}

export class Access {
  readonly #application: Application;
  readonly #limits: Limits;

  constructor(application: Application, limits: Limits) {
    this.#application = application;
    this.#limits = limits;
  }

  mayRead(asker: Asker, topic: string, namespace: NamespaceOptions): boolean | Promise<boolean> {
    if (ownTopics(asker.userId).includes(topic)) return true;
    return this.#decide(asker, "subscribe", topic, namespace);
  }

  /** Throws FanwireError `not-subscribed` where publishing is for members. */
  mayPublish(asker: Asker, topic: string, namespace: NamespaceOptions): boolean | Promise<boolean> {
    return this.#decide(asker, "publish", topic, namespace);
  }

  /** Others' `user:` topics are refused to everybody; else the application decides if it wants to, else the rules do. */
  #decide(
    asker: Asker,
    action: AccessRequest["action"],
    topic: string,
    namespace: NamespaceOptions,
  ): boolean | Promise<boolean> {
    if (topic.startsWith("user:") && topic !== `user:${asker.userId}`) return false;
    const { authorize } = this.#application;
    if (!authorize) return byRules(asker, action, topic, namespace);
    const { userId, info } = asker.claims;
    const verdict = authorize({ action, topic, userId, info });
    if (!isThenable(verdict)) return verdict ?? byRules(asker, action, topic, namespace);
    const { callTimeoutMs } = this.#limits;
    const late = () => new FanwireError("timeout", "Authorisation did not answer in time.");
    return withDeadline(Promise.resolve(verdict), callTimeoutMs, late).then((answer) => {
      return answer ?? byRules(asker, action, topic, namespace);
    });
  }
}

/** Also what is no promise of this realm: an application's own kind must not pass for a yes. */
function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as PromiseLike<Value> | null | undefined)?.then === "function";
}

function byRules(
  asker: Asker,
  action: AccessRequest["action"],
  topic: string,
  namespace: NamespaceOptions,
): boolean {
  const { userId, claims } = asker;
  switch (namespace[action]) {
    case "grant":
      return covers(claims[action], topic, userId);
    case "none":
      return false;
    case "members":
      if (action === "subscribe" || asker.subscriptions.has(topic)) return true;
      throw new FanwireError("not-subscribed", `Publishing to ${topic} needs a subscription to it.`);
  }
}

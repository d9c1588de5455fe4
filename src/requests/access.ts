// Who may read and write which topic: the application first, then the token's grants and the namespace's rules.

import type { AccessRequest, Application } from "../application.ts";
import { covers } from "../auth/grants.ts";
import type { Limits } from "../config/limits.ts";
import type { NamespaceOptions } from "../config/options.ts";
import type { Session } from "../connections/session.ts";
import { FanwireError } from "../errors.ts";
import { withDeadline } from "./deadline.ts";

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

  mayRead(session: Session, topic: string, namespace: NamespaceOptions): boolean | Promise<boolean> {
    if (ownTopics(session.userId).includes(topic)) return true;
    return this.#decide(session, "subscribe", topic, namespace);
  }

  /** Throws FanwireError `not-subscribed` where publishing is for members. */
  mayPublish(session: Session, topic: string, namespace: NamespaceOptions): boolean | Promise<boolean> {
    return this.#decide(session, "publish", topic, namespace);
  }

  /** Others' `user:` topics are refused to everybody; else the application decides if it wants to, else the rules do. */
  #decide(
    session: Session,
    action: AccessRequest["action"],
    topic: string,
    namespace: NamespaceOptions,
  ): boolean | Promise<boolean> {
    if (topic.startsWith("user:") && topic !== `user:${session.userId}`) return false;
    const { authorize } = this.#application;
    if (!authorize) return byRules(session, action, topic, namespace);
    const { userId, info } = session.claims;
    const verdict = authorize({ action, topic, userId, info });
    if (!isThenable(verdict)) return verdict ?? byRules(session, action, topic, namespace);
    const { callTimeoutMs } = this.#limits;
    const late = () => new FanwireError("timeout", "Authorisation did not answer in time.");
    return withDeadline(Promise.resolve(verdict), callTimeoutMs, late).then((answer) => {
      return answer ?? byRules(session, action, topic, namespace);
    });
  }
}

/** Also what is no promise of this realm: an application's own kind must not pass for a yes. */
function isThenable<Value>(value: Value | PromiseLike<Value>): value is PromiseLike<Value> {
  return typeof (value as PromiseLike<Value> | null | undefined)?.then === "function";
}

function byRules(
  session: Session,
  action: AccessRequest["action"],
  topic: string,
  namespace: NamespaceOptions,
): boolean {
  const { userId, claims } = session;
  switch (namespace[action]) {
    case "grant":
      return covers(claims[action], topic, userId);
    case "none":
      return false;
    case "members":
      if (action === "subscribe" || session.subscriptions.has(topic)) return true;
      throw new FanwireError("not-subscribed", `Publishing to ${topic} needs a subscription to it.`);
  }
}

// What the console's page asks for again and again: a node's load, its greatest topics and connections, and what went wrong.
// One answer costs the same however large the node is: a survey looks at a bounded number of things, and so few are told.

import type { Connection, Connections } from "../connections/connections.ts";
import type { ActiveTopic } from "../hub/active-topic.ts";
import type { Hub } from "../hub/hub.ts";
import type { EventLoopDelay } from "../metrics/event-loop-delay.ts";
import { type Measured, runtime } from "../metrics/metrics.ts";
import { LoadHistory, type LoadReading } from "./load.ts";
import { Survey } from "./survey.ts";

/** A node, as far as its console tells of it. */
export interface Shown {
  readonly measured: Pick<Measured, "engine" | "nodeId" | "version" | "sinceMs">;
  readonly hub: Hub;
  readonly connections: Pick<Connections, "sessions" | "counts" | "count" | "buffers" | "isDraining">;
  readonly delay: Pick<EventLoopDelay, "lastSeconds">;
  readonly isDevelopment: boolean;
  readonly now: () => number;
}

type TopicOrder = "subscribers" | "rate" | "name";
type AnySurvey = Survey<ActiveTopic, number | string> | Survey<Connection, number>;

/** Surveys that may be under way at once: one for each pair of words and order that somebody looks at. */
const maxSurveys = 16;

export class ConsoleState {
  readonly #node: Shown;
  readonly #load: LoadHistory;
  /** By what they look for, the one that was asked last at the end. */
  readonly #surveys = new Map<string, AnySurvey>();

  constructor(node: Shown) {
    this.#node = node;
    this.#load = new LoadHistory(() => readLoad(node), node.now);
  }

  /** Once a second. */
  tick(): void {
    this.#load.tick();
  }

  /**
   * `query`: `since` (the newest sample known, Unix ms), `topics` and `users` (what their names must contain) and `order` of
   * topics (`subscribers`, `rate` or `name`); all may be left out.
   */
  tell(query: string) {
    const asked = new URLSearchParams(query);
    const { measured, connections, hub, isDevelopment, now } = this.#node;
    const { ended, refused, errors } = connections.counts;
    return {
      nodeId: measured.nodeId,
      version: measured.version,
      engine: measured.engine,
      runtime: runtime(),
      mode: isDevelopment ? "development" : "production",
      timestamp: now(),
      startedAt: Math.round(performance.timeOrigin + measured.sinceMs),
      isDraining: connections.isDraining,
      bridgeIsAlive: hub.bridgeIsAlive,
      behind: hub.feeder.behindCount,
      load: this.#load.after(Number(asked.get("since"))),
      topics: this.#topics(asked.get("topics") ?? "", asked.get("order") ?? "subscribers"),
      connections: this.#connections(asked.get("users") ?? ""),
      closed: happened(ended),
      refused: happened(refused),
      errors: happened(errors),
    };
  }

  #topics(words: string, order: string) {
    const { hub } = this.#node;
    const by: TopicOrder = order === "rate" || order === "name" ? order : "subscribers";
    const survey = this.#survey(`topics ${by} ${words}`, () => topicSurvey(hub, words, by));
    const { things, matching, isWhole } = survey.step();
    const rows = things.filter((topic) => hub.topics.get(topic.name) === topic);
    return {
      total: hub.topicCount,
      matching,
      isWhole,
      rows: rows.map((topic) => topicRow(topic, hub.second)),
    };
  }

  #connections(words: string) {
    const { connections, now } = this.#node;
    const survey = this.#survey(`users ${words}`, () => connectionSurvey(connections.sessions, words));
    const { things, matching, isWhole } = survey.step();
    const rows = things.filter((session) => !session.isOver).map((session) => connectionRow(session, now()));
    return { total: connections.count, matching, isWhole, rows };
  }

  #survey<Kind extends AnySurvey>(key: string, create: () => Kind): Kind {
    // A key says what kind of survey it has.
    const survey = (this.#surveys.get(key) as Kind | undefined) ?? create();
    this.#surveys.delete(key);
    this.#surveys.set(key, survey);
    if (this.#surveys.size > maxSurveys) this.#surveys.delete(this.#surveys.keys().next().value!);
    return survey;
  }
}

function topicSurvey(hub: Hub, words: string, order: TopicOrder): Survey<ActiveTopic, number | string> {
  const ranks = {
    subscribers: (topic: ActiveTopic) => topic.members.size,
    rate: (topic: ActiveTopic) => topic.rate?.perSecond(hub.second) ?? 0,
    name: (topic: ActiveTopic) => topic.name,
  };
  return new Survey<ActiveTopic, number | string>({
    all: () => hub.topics.values(),
    matches: ({ name }) => name.includes(words),
    rank: ranks[order],
    precedes: order === "name" ? (a, b) => a < b : (a, b) => a > b,
  });
}

function topicRow({ name, namespace, members, rate, log }: ActiveTopic, second: number) {
  return {
    topic: name,
    mode: namespace.mode,
    subscribers: members.size,
    perSecond: rate?.perSecond(second) ?? 0,
    ...log?.position,
  };
}

function connectionSurvey(sessions: ReadonlySet<Connection>, words: string): Survey<Connection, number> {
  return new Survey<Connection, number>({
    all: () => sessions.values(),
    matches: (session) => words === "" || (session.isAuthenticated && session.userId.includes(words)),
    // Among those whose buffers are equally empty, whoever is behind goes first.
    rank: (session) => session.socket.bufferedBytes() + (session.behind ? 0.5 : 0),
    precedes: (a, b) => a > b,
  });
}

function connectionRow(session: Connection, nowMs: number) {
  const { id, format, socket, subscriptions, behind, behindSinceMs } = session;
  return {
    sessionId: id,
    ...(session.isAuthenticated && { userId: session.userId }),
    format: format.name,
    subscriptions: subscriptions.size,
    bufferedBytes: socket.bufferedBytes(),
    ...(behind && { behindMs: Math.max(0, nowMs - behindSinceMs) }),
  };
}

function readLoad({ hub, connections, delay }: Shown): LoadReading {
  const { user, system } = process.cpuUsage();
  let deliveries = 0;
  for (const { native, fed } of Object.values(hub.deliveries)) {
    for (const count of native) deliveries += count;
    for (const count of fed) deliveries += count;
  }
  const { volatile, stream, latest } = hub.counts.publications;
  return {
    atMs: performance.now(),
    connections: connections.count,
    publications: volatile + stream + latest,
    deliveries,
    cpuMs: (user + system) / 1000,
    delayMs: delay.lastSeconds * 1000,
    memoryBytes: process.memoryUsage.rss(),
    bufferedBytes: connections.buffers.sumBytes,
  };
}

/** Counts that are not zero. */
function happened(counts: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));
}

// Tells a topic's subscribers who came and who went: in rounds, so that many who do at once cost each subscriber one write.
// Knows no bridge and no sockets.

import type { TopicUser } from "../bridge/presence.ts";
import { SharedFrame } from "../wire/format.ts";
import type { ActiveTopic } from "./active-topic.ts";
import type { Lanes } from "./lanes.ts";
import { Pacer, type PacerOptions } from "./pacer.ts";

/** The least time between two rounds of one topic; the first after a quiet time waits for nothing but the end of the turn. */
const roundMs = 50;

export class Stays {
  readonly #lanes: Lanes;
  readonly #pacer: Pacer<ActiveTopic>;
  /** What the next round has to tell, by topic. */
  readonly #news = new Map<ActiveTopic, SharedFrame[]>();

  constructor(options: PacerOptions, lanes: Lanes) {
    this.#lanes = lanes;
    this.#pacer = new Pacer(options, (topic) => this.#tell(topic));
  }

  /** `count`: the users in the topic from now on. More than the namespace's bound, and nobody is told. */
  changed(type: "join" | "leave", topic: ActiveTopic, user: TopicUser, count: number): void {
    const { joinLeave } = topic.namespace;
    if (!joinLeave || count > joinLeave.maxMembers) return;
    const frame = new SharedFrame({ type, topic: topic.name, ...user, count });
    const news = this.#news.get(topic);
    if (news) news.push(frame);
    else this.#news.set(topic, [frame]);
    this.#pacer.ask(topic, roundMs);
  }

  #tell(topic: ActiveTopic): void {
    const news = this.#news.get(topic) ?? [];
    this.#news.delete(topic);
    for (const frame of news) this.#lanes.publishBeside(topic, frame);
  }
}

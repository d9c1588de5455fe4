// A client that keeps a list of who is in a topic from `join` and `leave` alone, and complains about one that changes nothing.

import type { StayFrame } from "../../src/wire/frames.ts";
import type { ModelOk } from "./model-client.ts";
import { StreamReader } from "./stream-reader.ts";

export class Watcher extends StreamReader {
  readonly users = new Set<string>();
  /** What it was told, as `join ann of 1`. */
  readonly news: string[] = [];

  /** A volatile topic has nothing to follow. */
  protected override answered(ok: ModelOk): void {
    if (ok.publications) super.answered(ok);
  }

  protected override changed({ type, userId, count }: StayFrame): void {
    this.news.push(`${type} ${userId} of ${count}`);
    const isNews = type === "join" ? !this.users.has(userId) : this.users.delete(userId);
    if (type === "join") this.users.add(userId);
    if (!isNews) this.complaints.push(`${type} of ${userId} changed nothing`);
  }
}

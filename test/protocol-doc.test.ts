// PROTOCOL.md against the code: its tables are the code's, and every frame it shows passes the server's own checks.

import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { limitRules } from "../src/config/limits.ts";
import { closeRules, errorRules } from "../src/errors.ts";
import type { ClientFrame, ServerFrame } from "../src/wire/frames.ts";
import { parseClientFrame } from "../src/wire/inbound.ts";

const page = readFileSync(new URL("../PROTOCOL.md", import.meta.url), "utf8");

/** A section's text by its heading, up to the next heading of its level. */
function section(heading: string): string {
  const found = new RegExp(`^## ${heading}\\n([\\s\\S]*?)(?=^## |(?![\\s\\S]))`, "m").exec(page);
  expect(found).not.toBeNull();
  return found![1]!;
}

/** The rows of a section's first table, without its head, cell by cell. */
function table(heading: string): string[][] {
  const rows = section(heading)
    .split("\n")
    .filter((line) => line.startsWith("| "));
  return rows.slice(1).map((row) => {
    const cells = row.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""));
    return [cells[0]!.replaceAll("`", ""), ...cells.slice(1)];
  });
}

const lines = page.split("\n");
const sent = lines.filter((line) => line.startsWith("→ ")).map((line) => JSON.parse(line.slice(2)));
const received = lines.filter((line) => line.startsWith("← ")).map((line) => JSON.parse(line.slice(2)));

// Objects, so that the compiler sees to it that no type is forgotten.
const clientTypes: Record<ClientFrame["type"], true> = {
  ping: true,
  subscribe: true,
  unsubscribe: true,
  publish: true,
  history: true,
  presence: true,
  refresh: true,
  call: true,
};
const serverTypes: Record<ServerFrame["type"], true> = {
  connected: true,
  message: true,
  ok: true,
  error: true,
  reset: true,
  join: true,
  leave: true,
  pong: true,
  closing: true,
};

const typesOf = (frames: { type: string }[]) => [...new Set(frames.map(({ type }) => type))].sort();

describe("PROTOCOL.md", () => {
  test("has every error code, and what the code says of it", () => {
    const rows = Object.entries(errorRules).map(([code, { retryable, status, meaning }]) => {
      return [code, retryable ? "yes" : "no", `${status}`, meaning];
    });
    expect(table("Error codes")).toEqual(rows);
  });

  test("has every close code, and what a client does about it", () => {
    const rows = Object.entries(closeRules).map(([reason, { code, client }]) => [
      `${code}`,
      `\`${reason}\``,
      client,
    ]);
    expect(table("Close codes")).toEqual(rows);
  });

  test("names limits as they are, with their defaults", () => {
    const rows = table("Limits");
    expect(rows.length).toBeGreaterThan(15);
    for (const [name, standard] of rows) {
      expect([name, standard]).toEqual([name, `${limitRules[name as keyof typeof limitRules]?.default}`]);
    }
  });

  test("shows every frame a client can send, and the server takes each as it is shown", () => {
    expect(typesOf(sent)).toEqual(Object.keys(clientTypes).sort());
    for (const frame of sent) expect(parseClientFrame(frame)).toEqual(frame);
  });

  test("shows every frame a server can send, with codes and closes that exist", () => {
    expect(typesOf(received)).toEqual(Object.keys(serverTypes).sort());
    for (const { type, code } of received) {
      if (type === "error") expect(Object.keys(errorRules)).toContain(code);
      if (type === "closing") expect(code).toBe(closeRules.draining.code);
    }
  });

  test("has examples that are JSON, and links that lead somewhere", () => {
    const examples = [...page.matchAll(/^```json\n([\s\S]*?)^```$/gm)].map(([, text]) => JSON.parse(text!));
    expect(examples.length).toBeGreaterThan(1);
    const anchors = lines
      .filter((line) => /^##+ /.test(line))
      .map((line) => line.replace(/^#+ /, "").toLowerCase())
      .map((heading) => `#${heading.replace(/[^a-z0-9 -]/g, "").replaceAll(" ", "-")}`);
    const links = [...page.matchAll(/\]\((#[^)]*)\)/g)].map(([, anchor]) => anchor!);
    expect(links.length).toBeGreaterThan(15);
    for (const link of links) expect(anchors).toContain(link);
  });
});

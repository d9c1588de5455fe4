// Writes the reference of the client's API into docs/client.md, out of the sources' doc comments. Run it with bun.

import { readFileSync, writeFileSync } from "node:fs";
import { type Declaration, declarationsOf, type Member } from "./declarations.ts";
import { replaceBetween } from "./readme-tables.ts";

export const page = new URL("../docs/client.md", import.meta.url);

const from = (path: string) =>
  declarationsOf(readFileSync(new URL(`../src/${path}`, import.meta.url), "utf8"));
/** What these declare the client exports. */
const own = ["client/client.ts", "client/options.ts", "client/error.ts"]
  .flatMap(from)
  .filter(({ kind, name }) => kind !== "function" || name === "createClient");
/** What else the client exports, and what its types are made of. */
const others = ["wire/frames.ts", "bridge/bridge.ts", "bridge/presence.ts", "client/format.ts"].flatMap(from);
const handedOn = ["Position", "PublicationItem", "Snapshot", "PresentUser", "Mode", "ClientFormat"];

/** The page's text with the reference as it has to be. */
export function withReference(text: string): string {
  const all = [...own, ...handedOn.map(find)];
  const contents = all.map(({ name }) => `[${name}](#${name.toLowerCase()})`).join(" · ");
  return replaceBetween(
    text,
    { name: "reference", script: "scripts/client-reference.ts" },
    [contents, ...all.map(sectionOf)].join("\n\n"),
  );
}

function find(wanted: string): Declaration {
  const found = [...own, ...others].find(({ name }) => name === wanted);
  if (!found) throw new Error(`${wanted} is not declared where it was`);
  return found;
}

function sectionOf(declaration: Declaration): string {
  const { name, kind, doc, text } = declaration;
  // An alias of something that has no section of its own shows what is in that.
  const target = kind === "type" ? others.find((other) => other.name === text) : undefined;
  const members = membersOf(target ?? declaration);
  const meaning = kind === "type" && !target ? choicesOf(text) : kind === "function" ? `\`${text}\`` : "";
  const list = members.map(itemOf).join("\n");
  return [`### \`${name}\``, meaning, doc, list].filter((part) => part !== "").join("\n\n");
}

/** A type's alternatives, one a line where they are objects. */
function choicesOf(text: string): string {
  const choices = text.replace(/^\| /, "").split(/ \| (?=\{)/);
  return choices.map((choice) => (choices.length > 1 ? `- \`${choice}\`` : `\`${choice}\``)).join("\n");
}

/** Its own and those of what it extends, which come first. */
function membersOf({ bases, members }: Declaration): readonly Member[] {
  const inherited = bases.filter((base) => base !== "Error").flatMap((base) => membersOf(find(base)));
  const isOverridden = ({ signature }: Member) => {
    return members.some((member) => nameOf(member.signature) === nameOf(signature));
  };
  return [...inherited.filter((member) => !isOverridden(member)), ...members];
}

const nameOf = (signature: string) => /^\w+/.exec(signature)?.[0];

function itemOf({ signature, doc }: Member): string {
  const indented = doc.replaceAll("\n\n", "\n\n  ");
  return `- **\`${signature}\`**${doc && `\\\n  ${indented}`}`;
}

if (import.meta.main) writeFileSync(page, withReference(readFileSync(page, "utf8")));

// Reads exported declarations and their doc comments out of TypeScript, as the formatter lays it out; knows nothing of what they mean.

export interface Member {
  /** As declared, in one line, without `readonly` and `async`. */
  readonly signature: string;
  readonly doc: string;
}

export interface Declaration {
  readonly kind: "interface" | "type" | "class" | "function";
  readonly name: string;
  /** What an interface or a class extends. */
  readonly bases: readonly string[];
  /** Of a function its signature, of a type what it stands for, else nothing. */
  readonly text: string;
  readonly doc: string;
  /** Of an interface or a class, without what is private and without constructors. */
  readonly members: readonly Member[];
}

/** In the order of the source. Constants and what is handed on from elsewhere are not among them. */
export function declarationsOf(source: string): Declaration[] {
  const lines = source.split("\n");
  return lines.flatMap((line, at) => {
    const head =
      /^export (interface|type|class|function) (\w+)(?:<.*?>)?(?: extends (.*?))?(?: \{$| =|\(|$)/.exec(line);
    if (!head) return [];
    const { 1: kind = "", 2: name = "", 3: bases } = head;
    const isBlock = kind === "interface" || kind === "class";
    const text = isBlock ? "" : signatureFrom(lines, at).text.replace(/^export (function|type \w+ =) /, "");
    return [
      {
        kind: kind as Declaration["kind"],
        name,
        bases: bases?.split(", ") ?? [],
        text,
        doc: docAbove(lines, at),
        members: isBlock ? membersFrom(lines, at + 1) : [],
      },
    ];
  });
}

/** Those of the block whose first line this is. */
function membersFrom(lines: readonly string[], first: number): Member[] {
  const members: Member[] = [];
  for (let at = first; lines[at] !== "}"; at += 1) {
    const line = lines[at];
    if (line === undefined) throw new Error("a block that does not end");
    if (!/^ {2}[\w#]/.test(line)) continue;
    const { text, last } = signatureFrom(lines, at);
    if (!/^((readonly|async|get|static) )*(#|constructor\b)/.test(text)) {
      const plain = text.replace(/^((readonly|async) )+/, "").replace(/^get (\w+)\(\)/, "$1");
      members.push({ signature: plain, doc: docAbove(lines, at) });
    }
    at = last;
  }
  return members;
}

/** What is declared from this line on, up to its semicolon or its body, in one line. */
function signatureFrom(lines: readonly string[], first: number): { text: string; last: number } {
  let text = "";
  for (let last = first; last < lines.length; last += 1) {
    text += `${text && " "}${lines[last]!.trim()}`;
    const isBody = text.endsWith(" {") && depthOf(text) === 1 && text.includes("(");
    if (isBody || (text.endsWith(";") && depthOf(text) === 0)) return { text: inOneLine(text), last };
  }
  throw new Error(`a declaration that does not end: ${text.slice(0, 100)}`);
}

function inOneLine(text: string): string {
  return text
    .replace(/( \{|;)$/, "")
    .replace(/\( /g, "(")
    .replace(/,? \)/g, ")")
    .replace(/; \}/g, " }")
    .replace(/\breadonly (?=\w+\??:)/g, (word, at: number) => (at === 0 ? word : ""));
}

function depthOf(text: string): number {
  return [...text].reduce((depth, sign) => {
    return depth + ("([{".includes(sign) ? 1 : 0) - (")]}".includes(sign) ? 1 : 0);
  }, 0);
}

/** The doc comment that ends right above this line, as paragraphs; empty where there is none. */
function docAbove(lines: readonly string[], at: number): string {
  if (!lines[at - 1]?.endsWith("*/")) return "";
  let first = at - 1;
  while (!/^\s*\/\*\*/.test(lines[first]!)) first -= 1;
  return lines
    .slice(first, at)
    .map((line) => line.replace(/^\s*(\/\*\*|\*\/|\*)\s?|\s*\*\/$/g, "").trim())
    .join("\n")
    .trim()
    .split(/\n\n+/)
    .map((paragraph) => paragraph.replaceAll("\n", " "))
    .join("\n\n");
}

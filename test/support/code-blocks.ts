// The code blocks of a Markdown page, by what is to be done with each; runs nothing.

/**
 * A fence's info string is a language and perhaps one word more: `node`, starts a server that the blocks after it use; `listens`,
 * goes on until it is ended; `config` and `claims`, what a JSON document is; `before`, what a reader moves away from, which
 * nothing here can run. `text` is what the block before it prints.
 */
export interface CodeBlock {
  readonly info: string;
  readonly code: string;
  /** Of its first line in the page. */
  readonly line: number;
  /** The lines of the `text` behind it. */
  readonly prints?: readonly string[];
}

const known = /^(sh|js|ts)( node| listens| before)?$|^json (config|claims)$/;

/** Throws where a block is of no known kind, so that none is passed over. */
export function codeBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  for (const { 1: info = "", 2: code = "", index } of markdown.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)) {
    const line = markdown.slice(0, index).split("\n").length + 1;
    if (info === "text") {
      const block = blocks.pop();
      if (block?.prints !== undefined || !/^(sh|js|ts)( listens)?$/.test(block?.info ?? "")) {
        throw new Error(`line ${line}: nothing before it prints this`);
      }
      blocks.push({ ...block!, prints: code.trimEnd().split("\n") });
    } else if (known.test(info)) blocks.push({ info, code, line });
    else throw new Error(`line ${line}: nobody knows what to do with a block of ${info || "no language"}`);
  }
  return blocks;
}

/** What a line has to match to be as shown, where `…` stands for anything. */
export function patternOf(shown: string): RegExp {
  const parts = shown.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`);
}

// Runs a page's code blocks in their order, as its reader would: in one shell, in one folder, with one node at a time.

import { expect } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createVerifier } from "../../src/auth/auth.ts";
import { resolveOptions } from "../../src/config/config.ts";
import { type CodeBlock, patternOf } from "./code-blocks.ts";
import { Process, root } from "./process.ts";
import { secret, tokenFor } from "./token.ts";

/** Files that pages write and read; a command that runs in the project's folder finds them in the page's. */
const pagesFiles = /\b(fanwire|keys|private)\.json\b/g;

export class PageRun {
  readonly folder = mkdtempSync(join(tmpdir(), "fanwire-page-"));
  /** What the shell has exported. */
  #variables: Record<string, string> = {};
  #node: Process | undefined;
  #port = 0;

  constructor() {
    if (!existsSync(join(root, "dist/server.js"))) throw new Error("dist is missing: npm run build");
    // As an application has them installed.
    mkdirSync(join(this.folder, "node_modules"));
    symlinkSync(root, join(this.folder, "node_modules/fanwire"));
    symlinkSync(join(root, "node_modules/jose"), join(this.folder, "node_modules/jose"));
    writeFileSync(join(this.folder, "package.json"), '{"private": true, "type": "module"}');
  }

  async run(block: CodeBlock): Promise<void> {
    const [language, role] = block.info.split(" ");
    if (role === "config") return writeFileSync(join(this.folder, "fanwire.json"), block.code);
    if (role === "claims") return this.#accept(JSON.parse(block.code));
    const command = language === "sh" ? this.#shell(block.code, role === "node") : this.#script(block);
    if (role === "node") return this.#serve(command);
    await this.#finish(this.#start(command), block);
  }

  async end(): Promise<void> {
    await this.#endNode();
    rmSync(this.folder, { recursive: true });
  }

  #start(command: readonly string[]): Process {
    return new Process(command, this.#variables, command[0] === "sh" ? root : this.folder);
  }

  /** It prints what the page shows and no more, complains of nothing, and ends by itself unless it listens. */
  async #finish(process: Process, { info, prints = [], line }: CodeBlock): Promise<void> {
    const listens = info.endsWith(" listens");
    if (listens) {
      await Promise.all(prints.map((shown) => process.line(patternOf(shown))));
      process.kill("SIGKILL");
    }
    const { code, stdout, stderr } = await process.exit();
    const lines = stdout === "" ? [] : stdout.trimEnd().split("\n");
    const isAsShown =
      lines.length === prints.length && lines.every((it, at) => patternOf(prints[at]!).test(it));
    // Where it is not, the failure shows both.
    const printed = isAsShown ? prints : lines;
    expect({ line, code, printed, stderr }).toEqual({
      line,
      code: listens ? null : 0,
      printed: prints,
      stderr: "",
    });
    this.#readVariables();
  }

  async #serve(command: readonly string[]): Promise<void> {
    await this.#endNode();
    this.#node = this.#start(command);
    this.#port = Number((await this.#node.event("listening")).port);
    this.#readVariables();
  }

  async #endNode(): Promise<void> {
    const node = this.#node;
    this.#node = undefined;
    node?.kill("SIGTERM");
    // What npm says of this machine's settings on standard error is its own affair.
    if (node) expect((await node.exit()).code).toBe(0);
  }

  async #accept(claims: { sub: string; exp: number }): Promise<void> {
    const options = { ...resolveOptions({}), jwtSecret: secret };
    const verify = createVerifier(options, () => claims.exp * 1000);
    expect(await verify(tokenFor(claims.sub, claims))).toMatchObject({ userId: claims.sub });
  }

  /** A node's command is the last line, and takes the shell's place, so that ending it ends the node. */
  #shell(code: string, isNode: boolean): string[] {
    const lines = this.#placed(code).trimEnd().split("\n");
    const last = isNode ? `FANWIRE_PORT=0; export FANWIRE_PORT; exec ${lines.pop()}` : "";
    return ["sh", "-euc", [...lines, `env >'${this.#variablesPath}'`, last].join("\n")];
  }

  #script({ info, code, line }: CodeBlock): string[] {
    const path = join(this.folder, `line-${line}.${info.startsWith("ts") ? "mts" : "mjs"}`);
    // A server of the page's own takes any port, as its nodes do.
    writeFileSync(path, this.#placed(info.endsWith("node") ? code.replace("port: 9001", "port: 0") : code));
    return [process.execPath, path];
  }

  #placed(code: string): string {
    return code.replaceAll("127.0.0.1:9001", `127.0.0.1:${this.#port}`).replace(pagesFiles, (name) => {
      return join(this.folder, name);
    });
  }

  get #variablesPath(): string {
    return join(this.folder, "variables");
  }

  #readVariables(): void {
    if (!existsSync(this.#variablesPath)) return;
    const lines = readFileSync(this.#variablesPath, "utf8").split("\n");
    const ours = lines.filter((line) => line.startsWith("FANWIRE_"));
    this.#variables = Object.fromEntries(ours.map((line) => line.split(/=(.*)/s, 2) as [string, string]));
  }
}

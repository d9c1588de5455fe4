// Compiles src into dist, for Node.js and for the package; dist is made anew each time.

import { chmodSync, cpSync, existsSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { mustNode, root, setup } from "./setup.mjs";

const dist = join(root, "dist");
const page = join(root, "src", "console");
const main = join(dist, "main.js");

await setup();
rmSync(dist, { recursive: true, force: true });
await mustNode("compiling src into dist", "typescript/bin/tsc", ["-p", "tsconfig.build.json"]);
if (existsSync(page)) {
  cpSync(page, join(dist, "console"), { recursive: true, filter: (path) => extname(path) !== ".ts" });
}
if (existsSync(main)) chmodSync(main, 0o755);

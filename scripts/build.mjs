// Compiles src into dist, for Node.js and for the package; dist is made anew each time.

import { chmodSync, cpSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { mustNode, root, setup } from "./setup.mjs";

const dist = join(root, "dist");
const page = join(root, "src", "console");

await setup();
rmSync(dist, { recursive: true, force: true });
await mustNode("compiling src into dist", "typescript/bin/tsc", ["-p", "tsconfig.build.json"]);
cpSync(page, join(dist, "console"), { recursive: true, filter: (path) => extname(path) !== ".ts" });
chmodSync(join(dist, "main.js"), 0o755);

// The server API of a node on Bun, as a process.

import { apiContract } from "./contract/api.ts";
import { startApiServer } from "./support/served.ts";

apiContract("on Bun", (options) => startApiServer("bun", options));

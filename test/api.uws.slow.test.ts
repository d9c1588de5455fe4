// The server API of a node on Node.js, as a process.

import { apiContract } from "./contract/api.ts";
import { startApiServer } from "./support/served.ts";

apiContract("on Node.js", (options) => startApiServer("uws", options));

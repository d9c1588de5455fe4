// Protocol 1 on Node.js with uWebSockets.js, both wire formats.

import { protocolContract } from "./contract/protocol.ts";

protocolContract("uws");

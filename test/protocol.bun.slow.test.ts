// Protocol 1 on Bun, both wire formats.

import { protocolContract } from "./contract/protocol.ts";

protocolContract("bun");

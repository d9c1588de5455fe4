// Runs the client's conformance in the runtime this is started in, and prints what was seen. It ends by itself, or something was left open.
// conformance-main.ts <the client's module> <the input as JSON> [<MessagePack's module>]

import { conform } from "./conformance.ts";

const [client = "", input = "", msgpack] = process.argv.slice(2);
const { createClient } = await import(client);
const format = msgpack && (await import(msgpack)).msgpack;
console.log(JSON.stringify(await conform(createClient, JSON.parse(input), format)));

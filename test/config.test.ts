// Options: defaults, precedence, and every kind of refusal with the words it is refused in.

import { describe, expect, test } from "bun:test";
import {
  ConfigError,
  describeOptions,
  developmentMode,
  type InputOptions,
  loadOptions,
  resolveOptions,
} from "../src/config/config.ts";

const secret = "a secret of more than thirty-two bytes";

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  throw new Error("nothing was refused");
}

const noFile = (path: string): string => {
  throw Object.assign(new Error(`no such file: ${path}`), { code: "ENOENT" });
};

/** Loads with a config file that has this text. */
const withFile = (text: string, env: Record<string, string> = {}) =>
  loadOptions({ FANWIRE_CONFIG: "/etc/fanwire.json", ...env }, () => text);

describe("defaults", () => {
  test("nothing given is development mode on loopback with the built-in namespaces", () => {
    const options = loadOptions({ PATH: "/bin" }, noFile);
    expect(options).toMatchObject({ host: "127.0.0.1", port: 9001, logLevel: "info", allowedOrigins: [] });
    expect(developmentMode(options)).toBe(true);
    expect(Object.fromEntries(options.namespaces)).toMatchObject({
      room: {
        mode: "stream",
        history: { size: 1000, ttlMs: 600_000, maxBytes: 16_777_216 },
        subscribe: "grant",
        publish: "grant",
      },
      game: { mode: "volatile", binary: false, maxPublishBytes: 65_536 },
      user: { mode: "stream", subscribe: "none" },
      broadcast: { mode: "stream" },
    });
  });

  test("the console is there in development mode, and elsewhere where it is switched on and somebody may see it", () => {
    expect([resolveOptions({}).console, resolveOptions({ jwtSecret: secret }).console]).toEqual([
      true,
      false,
    ]);
    expect(resolveOptions({ console: false }).console).toBe(false);
    expect(loadOptions({ FANWIRE_CONSOLE: "false" }, noFile).console).toBe(false);
    for (const who of [{ apiKeys: ["an-api-key-for-tests"] }, { adminPort: 9002 }]) {
      expect(resolveOptions({ jwtSecret: secret, console: true, ...who }).console).toBe(true);
    }
  });

  test("a node's id is random unless given", () => {
    expect(resolveOptions({}).nodeId).not.toBe(resolveOptions({}).nodeId);
    expect(resolveOptions({ nodeId: "eu-1" }).nodeId).toBe("eu-1");
  });

  test("an option that is present but undefined is absent", () => {
    const options = resolveOptions({ jwtSecret: undefined, limits: { heartbeatMs: undefined } });
    expect(developmentMode(options)).toBe(true);
    expect(options.limits.heartbeatMs).toBe(25_000);
  });

  test("the defaults of all limits are within their own bounds", () => {
    const { limits } = resolveOptions({});
    expect(resolveOptions({ limits })).toMatchObject({ limits });
  });
});

describe("precedence", () => {
  test("a variable wins over the file, the file over the default", () => {
    const file = JSON.stringify({ port: 1, nodeId: "file", limits: { frameBurst: 7 } });
    const options = withFile(file, {
      FANWIRE_PORT: "2",
      FANWIRE_JWT_SECRET: secret,
      FANWIRE_HOST: "0.0.0.0",
    });
    expect(options).toMatchObject({ port: 2, nodeId: "file", host: "0.0.0.0", jwtSecret: secret });
    expect(options.limits).toMatchObject({ frameBurst: 7, framesPerSecond: 500 });
    expect(developmentMode(options)).toBe(false);
  });

  test("the file changes single options of a built-in namespace and adds others", () => {
    const { namespaces } = resolveOptions({
      namespaces: {
        room: { history: { size: 5 }, publish: "members" },
        user: { mode: "volatile" },
        constructor: { mode: "stream" as const },
      },
    });
    expect(namespaces.get("room")).toMatchObject({
      mode: "stream",
      history: { size: 5, ttlMs: 600_000, maxBytes: 16_777_216 },
      publish: "members",
    });
    expect(namespaces.get("user")).toMatchObject({ mode: "volatile", subscribe: "none" });
    expect(namespaces.get("constructor")).toMatchObject({ mode: "stream" });
    expect([...namespaces.keys()].sort()).toEqual([
      "broadcast",
      "constructor",
      "game",
      "room",
      "ticker",
      "user",
    ]);
  });

  test("it is known who is in rooms and games, and told who comes and goes where that is asked for", () => {
    const { namespaces } = resolveOptions({
      namespaces: {
        room: { joinLeave: {} },
        lobby: { mode: "latest", presence: true, joinLeave: { maxMembers: 7 } },
      },
    });
    const rules = [...namespaces].map(([name, { presence, joinLeave }]) => [
      name,
      presence,
      joinLeave?.maxMembers,
    ]);
    expect(rules.sort()).toEqual([
      ["broadcast", false, undefined],
      ["game", true, undefined],
      ["lobby", true, 7],
      ["room", true, 100],
      ["ticker", false, undefined],
      ["user", false, undefined],
    ]);
  });

  test("a smaller frame limit makes the default publishing limit smaller too", () => {
    const options = resolveOptions({ limits: { maxFrameBytes: 2048 } });
    expect(options.namespaces.get("room")?.maxPublishBytes).toBe(2048);
  });

  test("origins are kept in the form browsers send, however they were written", () => {
    const written = "HTTPS://Example.com:443, http://[::1]:8080,capacitor://LocalHost";
    expect(loadOptions({ FANWIRE_ALLOWED_ORIGINS: written }, noFile).allowedOrigins).toEqual([
      "https://example.com",
      "http://[::1]:8080",
      "capacitor://localhost",
    ]);
  });

  test("development mode accepts every spelling of loopback", () => {
    for (const host of ["127.0.0.1", "127.1.2.3", "::1", "localhost"]) {
      expect(resolveOptions({ host }).host).toBe(host);
    }
  });
});

const inFile = "in /etc/fanwire.json";
const apiKey = "an-api-key-for-tests";
const refusedVariables: [Record<string, string>, string][] = [
  [
    { FANWIRE_PROT: "1" },
    "FANWIRE_PROT is not a variable of fanwire; there are FANWIRE_ADMIN_HOST, FANWIRE_ADMIN_PORT, ",
  ],
  [{ FANWIRE_CONSOLE: "yes" }, 'FANWIRE_CONSOLE is "yes": must be true or false'],
  [
    { FANWIRE_CONSOLE: "true", FANWIRE_JWT_SECRET: secret },
    "FANWIRE_CONSOLE is true: must be false where both FANWIRE_API_KEY (apiKeys) and FANWIRE_ADMIN_PORT (adminPort) " +
      "are absent, because nobody could be told the node's state",
  ],
  [{ FANWIRE_PORT: "" }, 'FANWIRE_PORT is "": must be an integer from 0 to 65535'],
  [{ FANWIRE_PORT: "9001 " }, 'FANWIRE_PORT is "9001 ": must be an integer from 0 to 65535'],
  [{ FANWIRE_PORT: "1e3" }, 'FANWIRE_PORT is "1e3": must be an integer from 0 to 65535'],
  [{ FANWIRE_PORT: "-1" }, 'FANWIRE_PORT is "-1": must be an integer from 0 to 65535'],
  [{ FANWIRE_PORT: "65536" }, "FANWIRE_PORT is 65536: must be an integer from 0 to 65535"],
  [{ FANWIRE_HOST: "" }, 'FANWIRE_HOST is "": must be a host name or an address'],
  [{ FANWIRE_HOST: "a b\nc" }, 'FANWIRE_HOST is "a b\\nc": must be a host name or an address'],
  [
    { FANWIRE_HOST: "0.0.0.0" },
    'FANWIRE_HOST is "0.0.0.0": must be loopback (127.0.0.1, ::1, localhost) while none of FANWIRE_JWT_SECRET, FANWIRE_JWKS_URL, FANWIRE_JWKS_FILE is set',
  ],
  [{ FANWIRE_HOST: "127.evil.example" }, 'FANWIRE_HOST is "127.evil.example": must be loopback'],
  [{ FANWIRE_NODE_ID: "a/b" }, 'FANWIRE_NODE_ID is "a/b": must be 1 to 64 letters, digits'],
  [
    { FANWIRE_LOG_LEVEL: "loud" },
    'FANWIRE_LOG_LEVEL is "loud": must be one of debug, info, warn, error, silent',
  ],
  [{ FANWIRE_JWT_SECRET: "" }, "FANWIRE_JWT_SECRET is 0 bytes long: must be at least 32 bytes"],
  [{ FANWIRE_JWT_SECRET: "x".repeat(31) }, "FANWIRE_JWT_SECRET is 31 bytes long: must be at least 32 bytes"],
  [
    { FANWIRE_JWT_ISSUER: "me" },
    'FANWIRE_JWT_ISSUER is "me": must be absent where all of FANWIRE_JWT_SECRET, FANWIRE_JWKS_URL, FANWIRE_JWKS_FILE are',
  ],
  [
    { FANWIRE_JWT_AUDIENCE: "us" },
    'FANWIRE_JWT_AUDIENCE is "us": must be absent where all of FANWIRE_JWT_SECRET, FANWIRE_JWKS_URL, FANWIRE_JWKS_FILE are',
  ],
  [
    { FANWIRE_JWT_AUDIENCE: "", FANWIRE_JWT_SECRET: secret },
    'FANWIRE_JWT_AUDIENCE is "": must be 1 to 1024 bytes',
  ],
  [{ FANWIRE_API_KEY: "" }, "FANWIRE_API_KEY is 0 bytes long: must be a list of keys of 16 to 256 visible"],
  [{ FANWIRE_API_KEY: "fifteen-letters" }, "FANWIRE_API_KEY is 15 bytes long: must be a list of keys"],
  [{ FANWIRE_API_KEY: `${apiKey},short` }, "FANWIRE_API_KEY is 5 bytes long: must be a list of keys"],
  [{ FANWIRE_API_KEY: `${apiKey},` }, "FANWIRE_API_KEY is 0 bytes long: must be a list of keys"],
  [{ FANWIRE_API_KEY: "sixteen letters!!" }, "FANWIRE_API_KEY is 17 bytes long: must be a list of keys"],
  [{ FANWIRE_ADMIN_PORT: "x" }, 'FANWIRE_ADMIN_PORT is "x": must be an integer from 0 to 65535'],
  [{ FANWIRE_ADMIN_PORT: "9001" }, "FANWIRE_ADMIN_PORT is 9001: must be another port than the first one"],
  [
    { FANWIRE_ADMIN_HOST: "127.0.0.1" },
    'FANWIRE_ADMIN_HOST is "127.0.0.1": must be absent where FANWIRE_ADMIN_PORT (adminPort) is',
  ],
  [
    { FANWIRE_ADMIN_HOST: "0.0.0.0", FANWIRE_ADMIN_PORT: "0" },
    'FANWIRE_ADMIN_HOST is "0.0.0.0": must be loopback (127.0.0.1, ::1, localhost) while none of',
  ],
  [{ FANWIRE_ALLOWED_ORIGINS: "" }, 'FANWIRE_ALLOWED_ORIGINS is "": must be a list of `scheme://host`'],
  [{ FANWIRE_ALLOWED_ORIGINS: "*" }, 'FANWIRE_ALLOWED_ORIGINS is "*": must be a list'],
  [
    { FANWIRE_ALLOWED_ORIGINS: "https://a.example/" },
    'FANWIRE_ALLOWED_ORIGINS is "https://a.example/": must be',
  ],
  [
    { FANWIRE_ALLOWED_ORIGINS: "https://a.example,b.example" },
    'FANWIRE_ALLOWED_ORIGINS is "b.example": must be',
  ],
  [
    { FANWIRE_ALLOWED_ORIGINS: "https://a.example:99999" },
    'FANWIRE_ALLOWED_ORIGINS is "https://a.example:99999": must',
  ],
  [{ FANWIRE_CONFIG: "/no/where" }, 'FANWIRE_CONFIG is "/no/where", a file that cannot be read: ENOENT'],
];

const refusedFiles: [string, string][] = [
  ["{", 'FANWIRE_CONFIG is "/etc/fanwire.json", a file that is not valid JSON'],
  ["[]", 'FANWIRE_CONFIG is "/etc/fanwire.json", a file that does not hold a JSON object'],
  ["null", 'FANWIRE_CONFIG is "/etc/fanwire.json", a file that does not hold a JSON object'],
  ['{"prot": 1}', `prot ${inFile} is not an option of fanwire`],
  ['{"__proto__": {}}', `__proto__ ${inFile} is not an option of fanwire`],
  ['{"limits": {"maxFrames": 1}}', `limits.maxFrames ${inFile} is not an option of fanwire`],
  [
    '{"namespaces": {"a": {"mode": "stream", "ttl": 1}}}',
    `namespaces.a.ttl ${inFile} is not an option of fanwire`,
  ],
  [
    '{"namespaces": {"room": {"history": {"length": 1}}}}',
    `namespaces.room.history.length ${inFile} is not an option`,
  ],
  ['{"port": "9001"}', `port ${inFile} is "9001": must be an integer from 0 to 65535`],
  ['{"port": null}', `port ${inFile} is null: must be an integer from 0 to 65535`],
  ['{"port": 1.5}', `port ${inFile} is 1.5: must be an integer from 0 to 65535`],
  ['{"jwtSecret": 5}', `jwtSecret ${inFile} is a number: must be at least 32 bytes`],
  [
    '{"allowedOrigins": "https://a.example"}',
    `allowedOrigins ${inFile} is "https://a.example": must be a list`,
  ],
  ['{"allowedOrigins": [7]}', `allowedOrigins.0 ${inFile} is 7: must be a list`],
  ['{"limits": []}', `limits ${inFile} is []: must be an object`],
  ['{"limits": {"frameBurst": 0}}', `limits.frameBurst ${inFile} is 0: must be an integer from 1 to 1000000`],
  [
    '{"limits": {"frameBurst": "9"}}',
    `limits.frameBurst ${inFile} is "9": must be an integer from 1 to 1000000`,
  ],
  ['{"namespaces": 5}', `namespaces ${inFile} is 5: must be an object`],
  ['{"namespaces": {"a": 5}}', `namespaces.a ${inFile} is 5: must be an object`],
  [
    '{"namespaces": {"a": {}}}',
    `namespaces.a.mode ${inFile} is missing: must be one of volatile, stream, latest`,
  ],
  [
    '{"namespaces": {"a": {"mode": "newest"}}}',
    `namespaces.a.mode ${inFile} is "newest": must be one of volatile, stream, latest`,
  ],
  [
    '{"namespaces": {"A": {"mode": "stream"}}}',
    `namespaces ${inFile} has "A": must be a name of 1 to 64 of a-z`,
  ],
  ['{"namespaces": {"": {"mode": "stream"}}}', `namespaces ${inFile} has "": must be a name`],
  [
    '{"namespaces": {"__proto__": {"mode": "stream"}}}',
    `namespaces ${inFile} has "__proto__": must be a name`,
  ],
  [
    '{"namespaces": {"room": {"subscribe": "all"}}}',
    `namespaces.room.subscribe ${inFile} is "all": must be one of grant, members`,
  ],
  [
    '{"namespaces": {"room": {"joinLeave": {"maxMembers": 10001}}}}',
    `namespaces.room.joinLeave.maxMembers ${inFile} is 10001: must be an integer from 1 to 10000`,
  ],
  [
    '{"namespaces": {"room": {"presence": 1}}}',
    `namespaces.room.presence ${inFile} is 1: must be true or false`,
  ],
  ['{"namespaces": {"room": {"binary": 1}}}', `namespaces.room.binary ${inFile} is 1: must be true or false`],
  [
    '{"namespaces": {"room": {"publishesPerSecond": 0}}}',
    `namespaces.room.publishesPerSecond ${inFile} is 0: must be an integer from 1`,
  ],
  [
    '{"namespaces": {"room": {"history": {"size": 0}}}}',
    `namespaces.room.history.size ${inFile} is 0: must be an integer from 1`,
  ],
];

const contradictions: [InputOptions, string][] = [
  [
    { namespaces: { game: { history: { size: 1 } } } },
    'namespaces.game.history is {"size":1}: must be absent, as mode is volatile',
  ],
  [
    { namespaces: { room: { mode: "volatile", history: {} } } },
    "namespaces.room.history is {}: must be absent",
  ],
  [
    { namespaces: { lobby: { mode: "stream", joinLeave: { maxMembers: 5 } } } },
    'namespaces.lobby.joinLeave is {"maxMembers":5}: must be absent, as presence is false',
  ],
  [
    { namespaces: { room: { presence: false, joinLeave: {} } } },
    "namespaces.room.joinLeave is {}: must be absent, as presence is false",
  ],
  [
    { namespaces: { room: { maxPublishBytes: 65_537 } } },
    "namespaces.room.maxPublishBytes is 65537: must be at most limits.maxFrameBytes, which is 65536",
  ],
  [
    { limits: { heartbeatMs: 60_000, heartbeatTimeoutMs: 60_000 } },
    "limits.heartbeatTimeoutMs is 60000: must be less than 120000 together with heartbeatMs, which is 60000",
  ],
  [
    { limits: { hardBufferedBytes: 3_538_943 } },
    "limits.hardBufferedBytes is 3538943: must be at least 3538944",
  ],
  [
    { limits: { maxFrameBytes: 1_048_576, bytesBurst: 1_048_575 } },
    "limits.bytesBurst is 1048575: must be at least maxFrameBytes, which is 1048576",
  ],
  [
    { limits: { drainCloseMs: 10_000 } },
    "limits.drainExitMs is 10000: must be more than drainCloseMs, which is 10000",
  ],
];

describe("refusals are one line that names the option, its value and its bound", () => {
  test.each(refusedVariables)("%j", (env, line) => {
    expect(refusal(() => loadOptions(env, noFile))).toStartWith(line);
  });
  test.each(refusedFiles)("%s", (text, line) => {
    expect(refusal(() => withFile(text))).toStartWith(line);
  });
  test.each(contradictions)("%j", (input, line) => {
    expect(refusal(() => resolveOptions(input))).toStartWith(line);
  });

  test("a contradiction's last allowed value is accepted", () => {
    const limits = {
      hardBufferedBytes: 3_538_944,
      heartbeatMs: 60_000,
      heartbeatTimeoutMs: 59_999,
      drainCloseMs: 9999,
    };
    expect(resolveOptions({ limits }).limits).toMatchObject(limits);
  });

  test("no line break of a name or a value gets into the message", () => {
    expect(refusal(() => loadOptions({ "FANWIRE_A\nB": "1" }, noFile))).not.toContain("\n");
    expect(refusal(() => loadOptions({ FANWIRE_CONFIG: "/a\r\nb" }, noFile))).not.toMatch(/\p{Cc}/u);
    expect(refusal(() => withFile('{"a\\nb": 1}'))).not.toContain("\n");
  });

  test("a secret is never in the message, wherever it was written", () => {
    const hidden = "hunter2-hunter2";
    const messages = [
      refusal(() => loadOptions({ FANWIRE_JWT_SECRET: hidden }, noFile)),
      refusal(() => withFile(`{"jwtSecret": "${hidden}"}`)),
      refusal(() => withFile(`{"jwtSecret": ["${hidden}"]}`)),
      refusal(() => withFile(`{"jwtSecret": "${hidden}`)),
      refusal(() => withFile(`{"jwtSecret": ${hidden}}`)),
      refusal(() => withFile(`{"jwtSecrets": "${hidden}"}`)),
      refusal(() => loadOptions({ FANWIRE_JWT_SECERT: hidden }, noFile)),
    ];
    for (const message of messages) expect(message).not.toContain("hunter");
  });
});

test("every option that can be given is described", () => {
  const names = new Set(describeOptions().map(({ name }) => name));
  for (const name of Object.keys(resolveOptions({}).limits)) expect(names).toContain(`limits.${name}`);
  for (const row of describeOptions()) {
    expect(row.bounds).not.toBe("");
    expect(row.default).not.toBe("");
    expect(row.meaning).toMatch(/^[A-Z].*\.$/);
  }
});

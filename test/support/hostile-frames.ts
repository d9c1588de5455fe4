// Frames that no well-meaning client sends, each with the answers that the protocol's documentation allows. Written from the
// documentation's rules and not from the server: a bad `topic` is `bad-topic`, and so on. Knows no encoding and no socket.

import type { Random } from "./random.ts";

/** What may come back for a frame: an error's code, `ok`, `pong`, or `none` where nothing was asked for. */
export type Outcome = string;

export interface HostileFrame {
  /** For the message of a failure. */
  readonly what: string;
  readonly frame: Readonly<Record<string, unknown>>;
  readonly outcomes: readonly Outcome[];
}

/** A field's wrong values, and the code of whoever sends one. `undefined`: the field is missing. */
interface FieldRule {
  readonly code: string;
  readonly wrong: readonly unknown[];
}

const longText = "x".repeat(10_000);
const beyond = 2 ** 53;

/** Wrong for every field of type string. */
const notText = [null, true, 0, 5, 1.5, [], ["x"], {}, { x: 1 }, ""] as const;

export const badTopics = [
  ...notText,
  ...["room", ":", "room:", ":x", "Room:x", "ro om:x", "ro_om:x", "__proto__:x", "é:x", " room:x"],
  ...["room:a b", "room:*", "room:x*", "room:*x", "room:\u0000", "room:a\nb", "room:\u007f", "room:\u0085"],
  ...[
    "room:\u00a0",
    "room:\u2028",
    "room:\u3000",
    `room:${"x".repeat(251)}`,
    `room:${"é".repeat(126)}`,
    longText,
  ],
];
const badPositions = [
  ...[null, true, 0, 5, "0", "e:0", "", [], ["e", 0], {}, { epoch: "e" }, { offset: 0 }],
  ...[...notText, "x".repeat(129)].map((epoch) => ({ epoch, offset: 0 })),
  ...[null, -1, 1.5, "0", true, [], {}, beyond, -beyond, 1e308].map((offset) => ({ epoch: "e", offset })),
];
export const notFlag = [null, 0, 1, "", "true", [], {}];
export const notName = [...notText, "x".repeat(129), longText];
const notCount = [null, 0, -1, 1.5, "5", true, [], {}, beyond, 1e308, 1001];

const ids: FieldRule = { code: "bad-frame", wrong: [null, 0, -1, 1.5, "1", "", true, [], {}, beyond, 1e308] };
const types: FieldRule = { code: "bad-frame", wrong: [undefined, null, true, 0, 5, [], ["ping"], {}] };
const topic: FieldRule = { code: "bad-topic", wrong: [undefined, ...badTopics] };
const since: FieldRule = { code: "bad-position", wrong: badPositions };

/** Every frame a client may send, complete and granted, and how each of its fields can be wrong. */
interface Kind {
  readonly make: (fresh: string, random: Random) => Record<string, unknown>;
  readonly outcome: Outcome;
  readonly fields: Readonly<Record<string, FieldRule>>;
}

const kinds: Readonly<Record<string, Kind>> = {
  ping: { make: () => ({}), outcome: "pong", fields: {} },
  subscribe: {
    make: (fresh) => ({ topic: `room:${fresh}`, since: { epoch: "e", offset: 0 } }),
    outcome: "ok",
    fields: { topic, since },
  },
  unsubscribe: {
    make: (fresh) => ({ topic: `room:${fresh}` }),
    outcome: "not-subscribed",
    fields: { topic },
  },
  publish: {
    make: (_, random) => ({
      topic: "room:hostile",
      data: hostileData(random),
      event: "e".repeat(128),
      idempotencyKey: random.word(12),
    }),
    outcome: "ok",
    fields: {
      topic,
      data: { code: "bad-data", wrong: [undefined, nested(65), nested(200)] },
      event: { code: "bad-data", wrong: notName },
      idempotencyKey: { code: "bad-frame", wrong: notName },
      echo: { code: "bad-frame", wrong: notFlag },
    },
  },
  "publish to volatile": {
    make: (fresh, random) => ({
      type: "publish",
      topic: `game:${fresh}`,
      data: hostileData(random),
      echo: false,
    }),
    outcome: "ok",
    fields: {
      topic,
      data: { code: "bad-data", wrong: [undefined, nested(65)] },
      event: { code: "bad-data", wrong: notName },
      echo: { code: "bad-frame", wrong: notFlag },
    },
  },
  history: {
    make: (fresh) => ({ topic: `room:${fresh}`, limit: 10 }),
    outcome: "ok",
    fields: { topic, since, limit: { code: "bad-frame", wrong: notCount } },
  },
  refresh: {
    make: () => ({ token: "no token at all" }),
    outcome: "unauthorized",
    fields: { token: { code: "bad-frame", wrong: [undefined, ...notText] } },
  },
  call: {
    make: (_, random) => ({ method: random.pick(propertyNames), data: hostileData(random) }),
    outcome: "unknown-method",
    fields: { method: { code: "bad-frame", wrong: [undefined, ...notName] } },
  },
};

const propertyNames = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "toJSON",
  "then",
];
const strangeTypes = [
  "",
  "PING",
  "ping ",
  "connected",
  "message",
  "ok",
  "error",
  "pong",
  "reset",
  "closing",
  longText,
];

/** One frame: complete, with one field wrong, with two wrong, of a type that is none, or of a request that is refused. */
export function hostileFrame(random: Random, id: number, fresh: string): HostileFrame {
  switch (random.below(8)) {
    case 0:
      return completeFrame(random, id, fresh);
    case 1:
      return twiceWrong(random, id, fresh);
    case 2:
      return random.below(2) === 0 ? strangeType(random, id) : wrongHead(random, id, fresh);
    case 3:
    case 4:
      return refused(random, id, fresh);
    default:
      return onceWrong(random, id, fresh);
  }
}

/** Nothing is wrong with these but their content. Fields that the protocol does not know are ignored. */
function completeFrame(random: Random, id: number, fresh: string): HostileFrame {
  const [name, kind] = pickKind(random);
  const extra = { [random.pick(propertyNames.slice(1))]: hostileData(random), [random.word(5)]: null };
  return {
    what: `complete ${name}`,
    frame: { ...extra, ...make(name, kind, id, fresh, random) },
    outcomes: [kind.outcome],
  };
}

function onceWrong(random: Random, id: number, fresh: string): HostileFrame {
  const [name, kind] = pickKind(random);
  const fields = Object.entries(kind.fields);
  if (fields.length === 0) return wrongHead(random, id, fresh);
  const [field, rule] = random.pick(fields);
  const frame = make(name, kind, id, fresh, random);
  setField(frame, field, random.pick(rule.wrong));
  return { what: `${name} with a wrong ${field}`, frame, outcomes: [rule.code] };
}

/** Which of two faults is told is not promised. */
function twiceWrong(random: Random, id: number, fresh: string): HostileFrame {
  const [name, kind] = pickKind(random);
  const fields = Object.entries(kind.fields);
  const frame = make(name, kind, id, fresh, random);
  const outcomes: Outcome[] = [];
  for (let fault = 0; fault < 2 && fields.length > 0; fault++) {
    const [field, rule] = random.pick(fields);
    setField(frame, field, random.pick(rule.wrong));
    outcomes.push(rule.code);
  }
  return { what: `${name} with two faults`, frame, outcomes: fields.length > 0 ? outcomes : [kind.outcome] };
}

/** A wrong `id` cannot be repeated in the answer, so these have none. */
function wrongHead(random: Random, id: number, fresh: string): HostileFrame {
  const [name, kind] = pickKind(random);
  const frame = make(name, kind, id, fresh, random);
  const [field, rule] = random.below(2) === 0 ? (["id", ids] as const) : (["type", types] as const);
  setField(frame, field, random.pick(rule.wrong));
  return { what: `${name} with a wrong ${field}`, frame, outcomes: [rule.code] };
}

function strangeType(random: Random, id: number): HostileFrame {
  const type = random.pick([...strangeTypes, ...propertyNames]);
  return {
    what: `type ${type.slice(0, 20)}`,
    frame: { type, id, topic: "room:1" },
    outcomes: ["unknown-type"],
  };
}

/** Well-formed requests that this user may not make, or that the topic cannot serve. */
function refused(random: Random, id: number, fresh: string): HostileFrame {
  const data = hostileData(random);
  const everyAction = (topic: string) => [
    { type: "subscribe", topic },
    { type: "publish", topic, data },
    { type: "history", topic },
  ];
  const publish = (topic: string, more: object) => ({ type: "publish", topic, data, ...more });
  const choices: Record<string, readonly object[]> = {
    forbidden: [
      ...everyAction(`user:${random.word(6)}-not-me`),
      ...everyAction(`closed:${fresh}`),
      { type: "subscribe", topic: `user:ann\u200b` },
    ],
    "unknown-namespace": [
      ...everyAction(`nowhere:${fresh}`),
      ...everyAction("constructor:x"),
      ...everyAction(`${"n".repeat(200)}:x`),
    ],
    "mode-mismatch": [
      publish("room:hostile", { echo: false }),
      publish(`game:${fresh}`, { idempotencyKey: "k" }),
      { type: "history", topic: `game:${fresh}` },
      { type: "history", topic: `club:${fresh}`, limit: 5 },
    ],
    "not-subscribed": [publish(`club:${fresh}`, {}), { type: "unsubscribe", topic: `game:${fresh}` }],
    "too-large": [{ type: "publish", topic: `small:${fresh}`, data: "x".repeat(random.between(257, 9000)) }],
    unauthorized: [
      { type: "refresh", token: random.word(40) },
      { type: "refresh", token: "a.b.c" },
    ],
  };
  const code = random.pick(Object.keys(choices));
  const frame = { id, ...random.pick(choices[code]!) };
  return { what: `${code}: ${JSON.stringify(frame).slice(0, 80)}`, frame, outcomes: [code] };
}

/** Data that is allowed and awkward: every subscriber must still get it. */
export function hostileData(random: Random): unknown {
  const key = random.pick(propertyNames.slice(1));
  return random.pick<unknown>([
    null,
    random.bytes(random.below(40)).toString("latin1"),
    "\u0000\u0001\u007f\u2028\u2029\ufeff\uffff",
    [-0, 1e308, 5e-324, beyond, -beyond, 0.1],
    { [key]: 1, constructor: { name: "x" }, toJSON: key },
    { [key]: { [key]: [null, true, {}] }, length: -1, "": "" },
    nested(random.between(1, 64)),
    "🙂".repeat(random.below(2000)),
    Array.from({ length: random.below(500) }, () => random.below(300)),
    Object.fromEntries(Array.from({ length: random.below(200) }, () => [random.word(3), random.word(3)])),
  ]);
}

/** An array within an array, so many levels deep. */
export function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 1; level < depth; level++) value = [value];
  return value;
}

function pickKind(random: Random): readonly [string, Kind] {
  return random.pick(Object.entries(kinds));
}

function make(name: string, kind: Kind, id: number, fresh: string, random: Random): Record<string, unknown> {
  return { type: name, id, ...kind.make(fresh, random) };
}

function setField(frame: Record<string, unknown>, field: string, value: unknown): void {
  if (value === undefined) delete frame[field];
  else frame[field] = value;
}

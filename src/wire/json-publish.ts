// Reads the frame that a server is sent most, a publish in JSON: one pass that checks it and leaves its `data` as it is written.
// Whatever is out of the ordinary is for the general decoder (json.ts), and so is every refusal. Knows no namespace's rules.

import {
  type CarriedPublish,
  emptyPublish,
  type FieldReader,
  type PublishField,
  publishFields,
  readField,
} from "./carried-publish.ts";
import type { DataFacts } from "./data-facts.ts";
import { JsonData } from "./json-data.ts";

/** Longer ones are mostly long texts: the runtime's own parser reads those faster than one character after the other. */
const maxLength = 2048;
/** An object's keys are compared with each other: so many at most. */
const maxKeys = 32;
const maxDepth = 64;
/** Digits of an integer that every decoder reads exactly, and of a fraction that every decoder reads as the same double. */
const maxIntegerDigits = 15;
const maxDigits = 17;
const protoKey = "__proto__";

const quote = 0x22;
const comma = 0x2c;
const minus = 0x2d;
const point = 0x2e;
const zero = 0x30;
const nine = 0x39;
const colon = 0x3a;
const openBracket = 0x5b;
const backslash = 0x5c;
const closeBracket = 0x5d;
const openBrace = 0x7b;
const closeBrace = 0x7d;
/** What may follow a backslash but `u`. */
const shortEscapes = new Set(Array.from('"/\\bfnrt', (sign) => sign.charCodeAt(0)));

const namesWithColon = publishFields.map((name) => `"${name}":`);
/** Where the keys of the objects around the present place begin, and how long they are: twice as many numbers as keys. */
const keys = new Uint32Array(2 * maxKeys * maxDepth);

/**
 * Undefined for whatever is no publish, or is one that has to be decoded to be the same for every subscriber: with a key that is
 * there twice, a number that not every decoder reads the same, an escape by code (`\u`), the key `__proto__`. Also for what has
 * space between its values, is malformed, or is longer than pays, and for more than `maxValues` values.
 */
export function readJsonPublish(text: string, maxValues: number): CarriedPublish<JsonData> | undefined {
  return text.length > maxLength ? undefined : reader.read(text, maxValues);
}

/** Its methods answer whether all is well so far; nothing is read after the first that says no. Allocates nothing per value. */
class JsonPublishReader implements FieldReader<JsonData> {
  #text = "";
  #maxValues = 0;
  #at = 0;
  /** A bit for each of `publishFields` that has been read. */
  #seen = 0;
  #values = 0;
  #depth = 0;
  /** How much of `keys` is in use. */
  #keysEnd = 0;
  /** Of the text that was passed over last. */
  #hasEscape = false;

  read(text: string, maxValues: number): CarriedPublish<JsonData> | undefined {
    this.#text = text;
    // A frame has others beside its data.
    this.#maxValues = maxValues - publishFields.length - 1;
    this.#at = 0;
    this.#seen = 0;
    this.#values = 0;
    this.#depth = 0;
    this.#keysEnd = 0;
    const publish = this.#frame();
    this.#text = "";
    return publish;
  }

  #frame(): CarriedPublish<JsonData> | undefined {
    if (!this.#pass(openBrace)) return undefined;
    const publish = emptyPublish<JsonData>();
    do {
      if (!readField(this, publish)) return undefined;
    } while (this.#pass(comma));
    const isWhole = this.#pass(closeBrace) && this.#at === this.#text.length;
    const isPublish = (this.#seen & 1) === 1;
    return isWhole && isPublish ? publish : undefined;
  }

  passType(): boolean {
    return this.#passWord('"publish"');
  }

  /** The name of the field that begins here; undefined where it is none of those known, or one that was there before. */
  readName(): PublishField | undefined {
    for (let place = 0; place < namesWithColon.length; place++) {
      if (!this.#passWord(namesWithColon[place]!)) continue;
      if (this.#seen & (1 << place)) return undefined;
      this.#seen |= 1 << place;
      return publishFields[place];
    }
    return undefined;
  }

  readData(): JsonData | undefined {
    const from = this.#at;
    if (!this.#value(0)) return undefined;
    const facts: DataFacts = { values: this.#values, depth: this.#depth, hasBinary: false };
    return new JsonData(this.#text, from, this.#at, facts);
  }

  /** Undefined for what is no positive integer as one writes it, and for a large one. */
  readId(): number | undefined {
    const from = this.#at;
    const isLong = !this.#passDigits() || this.#at - from > maxIntegerDigits;
    if (isLong || this.#text.charCodeAt(from) === zero) return undefined;
    return Number(this.#text.slice(from, this.#at));
  }

  readFlag(): boolean | undefined {
    if (this.#passWord("true")) return true;
    return this.#passWord("false") ? false : undefined;
  }

  /** A text without any escape. */
  readText(): string | undefined {
    const from = this.#at + 1;
    return this.#passText() && !this.#hasEscape ? this.#text.slice(from, this.#at - 1) : undefined;
  }

  /** Passes over any value. `depth`: of what it is in. */
  #value(depth: number): boolean {
    this.#values += 1;
    if (this.#values > this.#maxValues) return false;
    switch (this.#text.charCodeAt(this.#at)) {
      case quote:
        return this.#passText();
      case openBrace:
        return this.#object(depth + 1);
      case openBracket:
        return this.#array(depth + 1);
      case 0x74:
        return this.#passWord("true");
      case 0x66:
        return this.#passWord("false");
      case 0x6e:
        return this.#passWord("null");
      default:
        return this.#number();
    }
  }

  #array(depth: number): boolean {
    if (!this.#enter(depth)) return false;
    if (this.#pass(closeBracket)) return true;
    do {
      if (!this.#value(depth)) return false;
    } while (this.#pass(comma));
    return this.#pass(closeBracket);
  }

  #object(depth: number): boolean {
    if (!this.#enter(depth)) return false;
    if (this.#pass(closeBrace)) return true;
    const own = this.#keysEnd;
    do {
      if (!this.#key(own) || !this.#pass(colon) || !this.#value(depth)) return false;
    } while (this.#pass(comma));
    this.#keysEnd = own;
    return this.#pass(closeBrace);
  }

  /** Passes the bracket or brace. */
  #enter(depth: number): boolean {
    this.#at += 1;
    if (depth > this.#depth) this.#depth = depth;
    return depth < maxDepth;
  }

  /** Passes over an object's key. `own`: where in `keys` those of the same object begin. */
  #key(own: number): boolean {
    const from = this.#at + 1;
    // With escapes one key may be spelt in several ways.
    if (!this.#passText() || this.#hasEscape || this.#keysEnd - own >= 2 * maxKeys) return false;
    const length = this.#at - 1 - from;
    if (length === protoKey.length && this.#text.startsWith(protoKey, from)) return false;
    for (let other = own; other < this.#keysEnd; other += 2) {
      if (keys[other + 1] === length && this.#isSame(keys[other]!, from, length)) return false;
    }
    keys[this.#keysEnd] = from;
    keys[this.#keysEnd + 1] = length;
    this.#keysEnd += 2;
    return true;
  }

  #isSame(one: number, other: number, length: number): boolean {
    for (let place = 0; place < length; place++) {
      if (this.#text.charCodeAt(one + place) !== this.#text.charCodeAt(other + place)) return false;
    }
    return true;
  }

  /** Passes over a text. Not over one with an escape by code or a surrogate, which may be half of a pair. */
  #passText(): boolean {
    const text = this.#text;
    if (text.charCodeAt(this.#at) !== quote) return false;
    this.#hasEscape = false;
    let at = this.#at + 1;
    for (;;) {
      const code = text.charCodeAt(at);
      if (code === quote) break;
      if (code === backslash) {
        if (!shortEscapes.has(text.charCodeAt(at + 1))) return false;
        this.#hasEscape = true;
        at += 2;
      } else if ((code >= 0x20 && code < 0xd800) || code >= 0xe000) at += 1;
      // NaN at the end.
      else return false;
    }
    this.#at = at + 1;
    return true;
  }

  /** Nothing may follow one but what follows any value, so an exponent is found out there. */
  #number(): boolean {
    const isNegative = this.#pass(minus);
    const from = this.#at;
    if (!this.#passDigits()) return false;
    const digits = this.#at - from;
    const first = this.#text.charCodeAt(from);
    if (digits > maxIntegerDigits || (first === zero && digits > 1)) return false;
    // -0 is 0 to some.
    if (!this.#pass(point)) return !(isNegative && first === zero);
    if (!this.#passDigits() || this.#at - from > maxDigits + 1) return false;
    return !isNegative || first !== zero || Number(this.#text.slice(from, this.#at)) !== 0;
  }

  /** Passes over one digit at least. */
  #passDigits(): boolean {
    const from = this.#at;
    let code = this.#text.charCodeAt(this.#at);
    while (code >= zero && code <= nine) code = this.#text.charCodeAt(++this.#at);
    return this.#at > from;
  }

  #pass(code: number): boolean {
    if (this.#text.charCodeAt(this.#at) !== code) return false;
    this.#at += 1;
    return true;
  }

  #passWord(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }
}

/** One for all frames: see recent.ts for what it costs where nothing keeps an object of a kind. */
const reader = new JsonPublishReader();

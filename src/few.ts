// Collections that are nearly always small: a connection's topics, a topic's members. An empty Map or Set takes half a kilobyte in
// JavaScriptCore and 150 bytes in V8, and every connection would have several. Arrays here are made by `concat`, which makes
// them no longer than they are; `push` and spreading leave room for 16 more.

/** From this many on a hash pays. */
const many = 8;

const none: readonly never[] = [];

/** A set. Not to be changed while somebody walks through it. */
export class FewSet<Item> {
  #items: readonly Item[] | Set<Item> = none;

  get size(): number {
    return this.#items instanceof Set ? this.#items.size : this.#items.length;
  }

  add(item: Item): void {
    if (this.#items instanceof Set) this.#items.add(item);
    else if (this.#items.includes(item)) return;
    else if (this.#items.length < many) this.#items = this.#items.concat(item);
    else this.#items = new Set(this.#items).add(item);
  }

  delete(item: Item): void {
    if (this.#items instanceof Set) this.#items.delete(item);
    else this.#items = this.#items.filter((other) => other !== item);
    if (this.size === 0) this.#items = none;
  }

  [Symbol.iterator](): Iterator<Item> {
    return this.#items[Symbol.iterator]();
  }
}

/** A map whose values know their own keys. Not to be changed while somebody walks through it. */
export class FewMap<Value extends { readonly key: string }> {
  #values: readonly Value[] | Map<string, Value> = none;

  get size(): number {
    return this.#values instanceof Map ? this.#values.size : this.#values.length;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  get(key: string): Value | undefined {
    if (this.#values instanceof Map) return this.#values.get(key);
    return this.#values.find((value) => value.key === key);
  }

  /** Takes the place of what has the same key. */
  add(value: Value): void {
    if (this.#values instanceof Map) {
      this.#values.set(value.key, value);
      return;
    }
    const others = this.has(value.key) ? this.#values.filter(({ key }) => key !== value.key) : this.#values;
    const all = others.concat(value);
    this.#values = all.length <= many ? all : new Map(all.map((one) => [one.key, one]));
  }

  delete(key: string): void {
    if (this.#values instanceof Map) this.#values.delete(key);
    else this.#values = this.#values.filter((value) => value.key !== key);
    if (this.size === 0) this.#values = none;
  }

  clear(): void {
    this.#values = none;
  }

  [Symbol.iterator](): Iterator<Value> {
    return this.#values.values();
  }
}

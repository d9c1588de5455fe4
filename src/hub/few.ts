// Collections that are nearly always small: a connection's topics, a topic's members. An empty Map or Set takes half a kilobyte in
// JavaScriptCore and 150 bytes in V8, and every connection would have several. Arrays here are made by `concat`, which makes
// them no longer than they are; `push` and spreading leave room for 16 more.

/** From this many on a hash pays. */
const many = 8;

const none: readonly never[] = [];

/** A set of objects that are no arrays and no sets. Not to be changed while somebody walks through it. */
export class FewSet<Item extends object> {
  /** One item stands for itself: the member of its user's topic would need an array else. */
  #items: Item | readonly Item[] | Set<Item> = none;

  get size(): number {
    if (this.#items instanceof Set) return this.#items.size;
    return isList(this.#items) ? this.#items.length : 1;
  }

  add(item: Item): void {
    if (this.#items instanceof Set) {
      this.#items.add(item);
      return;
    }
    const items = this.#list();
    if (items.includes(item)) return;
    if (items.length === 0) this.#items = item;
    else this.#items = items.length < many ? items.concat(item) : new Set(items).add(item);
  }

  delete(item: Item): void {
    if (this.#items instanceof Set) this.#items.delete(item);
    else this.#items = this.#list().filter((other) => other !== item);
    if (this.size === 0) this.#items = none;
  }

  [Symbol.iterator](): Iterator<Item> {
    return (this.#items instanceof Set ? this.#items : this.#list()).values();
  }

  /** The items of what is no Set. */
  #list(): readonly Item[] {
    const items = this.#items as Item | readonly Item[];
    return isList(items) ? items : [items];
  }
}

function isList<Item>(items: Item | readonly Item[]): items is readonly Item[] {
  return Array.isArray(items);
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

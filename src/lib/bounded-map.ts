/**
 * The one map with a bound, wherever something is remembered: the entry that was used least recently makes room. While it is not half full, no use is noted: nothing is about to make room, and
 * moving an entry costs ten times as much as finding it.
 *
 * `lru-cache` does this too, and much more: minified and compressed it is larger than the whole cache of data keys, in a package whose users count the bytes of a page. What is
 * needed of it here is that a `Map` iterates as it was filled.
 */
export class BoundedMap<Key, Value> {
  readonly #most: number;
  readonly #onFull: ((value: Value, key: Key) => void) | undefined;
  readonly #entries = new Map<Key, Value>();

  /** Holds at most `most` entries. `onFull` is told of each one that made room. */
  constructor(most: number, onFull?: (value: Value, key: Key) => void) {
    this.#most = most;
    this.#onFull = onFull;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of a key, which is used by that. */
  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value !== undefined && 2 * this.#entries.size > this.#most) {
      this.#entries.delete(key);
      this.#entries.set(key, value);
    }
    return value;
  }

  /** The value of a key, without using it. */
  peek(key: Key): Value | undefined {
    return this.#entries.get(key);
  }

  /** Puts a value in the place of a key; beyond the bound the one that was used least recently goes. */
  set(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#most) return;
    const [oldest, unused] = this.#entries.entries().next().value as [Key, Value];
    this.#entries.delete(oldest);
    this.#onFull?.(unused, oldest);
  }

  /** Takes an entry out; nobody is told. */
  delete(key: Key): void {
    this.#entries.delete(key);
  }

  /** Takes all out; nobody is told. */
  clear(): void {
    this.#entries.clear();
  }

  /** A copy of the entries, the one that was used least recently first. */
  entries(): [Key, Value][] {
    return [...this.#entries];
  }
}

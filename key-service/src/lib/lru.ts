/** A bounded map that forgets what was not used for longest. */
export class LruMap<K, V> {
  readonly #entries = new Map<K, V>();
  readonly #capacity: number;
  readonly #dropped: (value: V) => void;

  /** `dropped` is told of every value that is forgotten, replaced or deleted. Default: nobody is. */
  constructor(capacity: number, dropped: (value: V) => void = () => undefined) {
    this.#capacity = capacity;
    this.#dropped = dropped;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: K): V | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size <= this.#capacity) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done === false) this.delete(oldest.value);
  }

  delete(key: K): void {
    const value = this.#entries.get(key);
    if (!this.#entries.delete(key)) return;
    this.#dropped(value as V);
  }

  keys(): K[] {
    return [...this.#entries.keys()];
  }

  values(): V[] {
    return [...this.#entries.values()];
  }

  clear(): void {
    for (const key of this.keys()) this.delete(key);
  }
}

/** Items of several owners, taken in turn over the owners: who has many waits for no longer than who has one. */
export class RoundRobin<T> {
  // In the order of their turns; an owner without items is not among them.
  readonly #owners = new Map<string, Set<T>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Items of one owner. */
  sizeOf(owner: string): number {
    return this.#owners.get(owner)?.size ?? 0;
  }

  push(owner: string, item: T): void {
    const items = this.#owners.get(owner) ?? new Set();
    if (items.has(item)) return;
    items.add(item);
    this.#owners.set(owner, items);
    this.#size += 1;
  }

  /** Takes an item out again. `false` where it is not there any more. */
  delete(owner: string, item: T): boolean {
    const items = this.#owners.get(owner);
    if (!items?.delete(item)) return false;
    if (items.size === 0) this.#owners.delete(owner);
    this.#size -= 1;
    return true;
  }

  /** The next item of one owner, out of turn. */
  shiftOf(owner: string): T | undefined {
    for (const item of this.#owners.get(owner) ?? []) {
      this.delete(owner, item);
      return item;
    }
    return undefined;
  }

  /** The next item of the owner whose turn it is, of those that `fits`; the owner goes to the end of the line. */
  shift(fits: (owner: string) => boolean = () => true): { readonly owner: string; readonly item: T } | undefined {
    for (const [owner, items] of this.#owners) {
      if (!fits(owner)) continue;
      const [item] = items;
      if (item === undefined) continue;
      this.delete(owner, item);
      if (items.size > 0) {
        this.#owners.delete(owner);
        this.#owners.set(owner, items);
      }
      return { owner, item };
    }
    return undefined;
  }
}

/** An amount that owners share, such as bytes in memory or requests in flight: nobody takes more than a share of it. */

/** Why there is nothing left. */
export type Spent = 'share' | 'total';

export class Budget {
  readonly #total: number;
  readonly #each: number;
  readonly #taken = new Map<string, number>();
  #sum = 0;

  constructor(total: number, each: number) {
    this.#total = total;
    this.#each = each;
  }

  /** What is taken altogether. */
  get taken(): number {
    return this.#sum;
  }

  /** Takes an amount, or says what it would exceed. */
  take(owner: string, amount: number): Spent | undefined {
    const taken = (this.#taken.get(owner) ?? 0) + amount;
    if (taken > this.#each) return 'share';
    if (this.#sum + amount > this.#total) return 'total';
    this.#taken.set(owner, taken);
    this.#sum += amount;
    return undefined;
  }

  give(owner: string, amount: number): void {
    const left = (this.#taken.get(owner) ?? 0) - amount;
    if (left > 0) this.#taken.set(owner, left);
    else this.#taken.delete(owner);
    this.#sum -= amount;
  }
}

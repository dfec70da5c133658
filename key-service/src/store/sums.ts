/** Sums of revisions by tenant, which each state holds under its MAC: a row that was removed or put back makes them differ. */

import { IntegrityError } from '../errors.ts';
import type { StateRecord } from './rows.ts';

export class Sums {
  readonly #sums = new Map<string, number>();

  add(tenant: string, amount: number): void {
    this.#sums.set(tenant, (this.#sums.get(tenant) ?? 0) + amount);
  }

  /** Tenants with a sum. */
  get tenants(): string[] {
    return [...this.#sums.keys()].sort();
  }

  get total(): number {
    return [...this.#sums.values()].reduce((all, sum) => all + sum, 0);
  }

  of(tenant: string): number {
    return this.#sums.get(tenant) ?? 0;
  }

  /** Throws `IntegrityError` where the states say otherwise: of all tenants, and of their number. */
  assertThose(states: readonly StateRecord[]): void {
    const ofService = states.find(({ tenant }) => tenant === '');
    const tenants = states.filter(({ tenant }) => tenant !== '');
    const known = new Set(tenants.map(({ tenant }) => tenant));
    if (ofService?.revisions !== tenants.length || this.tenants.some((tenant) => !known.has(tenant))) {
      throw new IntegrityError('The state of a tenant was removed from the store, or put there by somebody else');
    }
    for (const { tenant, revisions } of tenants) {
      if (this.of(tenant) === revisions) continue;
      throw new IntegrityError(
        `A key in the store is older than the state of its tenant (${tenant}): it was put back or removed`,
      );
    }
  }
}

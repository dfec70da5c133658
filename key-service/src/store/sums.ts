/** Sums of revisions by tenant, which each state holds under its MAC: a row that was removed or put back makes them differ. */

import { IntegrityError } from '../errors.ts';
import { serviceLog } from '../model/entry.ts';
import type { FoundState } from './state.ts';

export class Sums {
  readonly #sums = new Map<string, number>();
  readonly #refused = new Map<string, IntegrityError>();

  add(tenant: string, amount: number): void {
    this.#sums.set(tenant, (this.#sums.get(tenant) ?? 0) + amount);
  }

  /** A row of a tenant that is not to be trusted. */
  refuse(tenant: string, error: IntegrityError): void {
    if (!this.#refused.has(tenant)) this.#refused.set(tenant, error);
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

  /** Throws the first `IntegrityError` of a row. */
  assertWhole(): void {
    for (const error of this.#refused.values()) throw error;
  }

  /**
   * Tenants whose rows or state are not to be trusted, with the reason. `made` are all that were ever made. Throws `IntegrityError` where that, or the service's own state,
   * is not to be trusted.
   */
  refused(states: ReadonlyMap<string, FoundState>, made: readonly string[]): Map<string, IntegrityError> {
    const service = states.get(serviceLog);
    if (service instanceof IntegrityError) throw service;
    if (service?.revisions !== made.length) throw notOurs();
    const known = new Set(made);
    for (const tenant of new Set([...states.keys(), ...made, ...this.#sums.keys()])) {
      const state = states.get(tenant);
      if (tenant === serviceLog) continue;
      if (state instanceof IntegrityError) this.refuse(tenant, state);
      else if (!state || !known.has(tenant)) this.refuse(tenant, notOurs());
      else if (this.of(tenant) !== state.revisions) this.refuse(tenant, older(tenant));
    }
    return this.#refused;
  }

  /** Throws `IntegrityError` where the states say otherwise: of any tenant, and of their number. */
  assertThose(states: ReadonlyMap<string, FoundState>, made: readonly string[]): void {
    this.refused(states, made);
    this.assertWhole();
  }
}

/** The result of `work`; `undefined` where it throws an `IntegrityError`, which then stands against the tenant. */
export async function refusing<T>(sums: Sums, tenant: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof IntegrityError)) throw error;
    sums.refuse(tenant, error);
    return undefined;
  }
}

function notOurs(): IntegrityError {
  return new IntegrityError('The state of a tenant was removed from the store, or put there by somebody else');
}

function older(tenant: string): IntegrityError {
  return new IntegrityError(
    `A key in the store is older than the state of its tenant (${tenant}): it was put back or removed`,
  );
}

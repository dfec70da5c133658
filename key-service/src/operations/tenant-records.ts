/** What operators have set for tenants, as each request needs it: kept for a few seconds; `docs/key-service.md` §12.10 and §12.11. */

import type { Config } from '../config.ts';
import { Problem } from '../errors.ts';
import { type Clock, seconds } from '../lib/clock.ts';
import { LruMap } from '../lib/lru.ts';
import { isClosed, type TenantRecord } from '../model/tenants.ts';
import type { Admit } from '../store/revoked-cache.ts';
import type { Store } from '../store/store.ts';

/** Limits that hold for a tenant. */
export interface EffectiveLimits {
  readonly itemsPerMinute: number;
  readonly revokedDataKeysPerDay: number;
}

/** Options of {@link TenantRecords}. */
export interface TenantRecordsOptions {
  /** Limits of tenants for which nothing was set. */
  readonly defaults: Config['limits'];
  readonly clock: Clock;
  readonly admit: Admit;
}

interface Kept {
  readonly reading: Promise<TenantRecord>;
  readonly until: number;
}

const keptMs = 5000;
const maxTenants = 10_000;

export class TenantRecords {
  readonly #store: Pick<Store, 'findTenant'>;
  readonly #defaults: Config['limits'];
  readonly #clock: Clock;
  readonly #admit: Admit;
  readonly #kept = new LruMap<string, Kept>(maxTenants);

  /** `admit` lets a read of a tenant in when it is its turn. */
  constructor(store: Pick<Store, 'findTenant'>, { defaults, clock, admit }: TenantRecordsOptions) {
    this.#store = store;
    this.#defaults = defaults;
    this.#clock = clock;
    this.#admit = admit;
  }

  /** The limits of a tenant. Throws a `Problem` for one that is closed, and `IntegrityError` for a record that somebody changed. */
  async limitsOf(tenant: string): Promise<EffectiveLimits> {
    const record = await this.#find(tenant);
    if (isClosed(record, seconds(this.#clock))) throw new Problem('not-allowed', 'The tenant is closed');
    return effectiveLimits(record, this.#defaults);
  }

  #find(tenant: string): Promise<TenantRecord> {
    const now = performance.now();
    const kept = this.#kept.get(tenant);
    if (kept && kept.until > now) return kept.reading;
    const reading = this.#admit(tenant, () => this.#store.findTenant(tenant));
    this.#kept.set(tenant, { reading, until: now + keptMs });
    reading.catch(() => this.#kept.get(tenant)?.reading === reading && this.#kept.delete(tenant));
    return reading;
  }
}

/** What a record says, and the configuration where it says nothing. */
export function effectiveLimits({ limits }: TenantRecord, defaults: Config['limits']): EffectiveLimits {
  return {
    itemsPerMinute: limits.itemsPerMinute ?? defaults.items_per_minute,
    revokedDataKeysPerDay: limits.revokedDataKeysPerDay ?? defaults.revoked_data_keys_per_day,
  };
}

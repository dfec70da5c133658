/** The logs of a service: its own, and one of each tenant. */

import { LruMap } from '../lib/lru.ts';
import type { Secrets } from '../secrets/secrets.ts';
import type { Store } from '../store/store.ts';
import { AuditLog } from './audit-log.ts';

const maxTenants = 10_000;

export class AuditLogs {
  /** What nobody's requests are in: operators' acts, and the heads of all other logs. */
  readonly service: AuditLog;
  readonly #store: Store;
  readonly #open: (tenant: string) => AuditLog;
  readonly #logs = new LruMap<string, AuditLog>(maxTenants);

  constructor(store: Store, secrets: Pick<Secrets, 'log' | 'previousLogs'>, serviceId: string) {
    this.#store = store;
    this.#open = (tenant) => new AuditLog(store, secrets, { serviceId, tenant });
    this.service = new AuditLog(store, secrets, { serviceId });
  }

  /** The log that a checkpoint names, or the service's own where it names none of a tenant. */
  async named(note: string): Promise<AuditLog> {
    const [origin] = note.split('\n');
    const tenants = await this.#store.tenants();
    const tenant = tenants.find((each) => origin === `${this.service.origin}/${each}`);
    return tenant === undefined ? this.service : this.of(tenant);
  }

  /** The log of a tenant. */
  of(tenant: string): AuditLog {
    const known = this.#logs.get(tenant);
    if (known) return known;
    const log = this.#open(tenant);
    this.#logs.set(tenant, log);
    return log;
  }
}

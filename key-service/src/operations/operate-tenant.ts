/** What operators set for a tenant: limits, and its end, which takes two of them and days; `docs/key-service.md` §12.10 and §12.11. */

import type { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { TenantRecord } from '../model/tenants.ts';

/** Options of {@link operateTenant}. */
export interface OperatingTenant {
  readonly changes: Pick<CheckpointedChanges, 'runService'>;
  readonly tenant: string;
  /** The name of the act in both logs. */
  readonly operation: string;
  /** What was asked for. */
  readonly asked: Readonly<Record<string, unknown>>;
  /** The leaf of an act of the operator, in the log of a tenant or, under the empty name, of the service. */
  readonly entry: (log: string, operation: string, change: Record<string, unknown>) => LogEntry;
}

/** Changes the record of a tenant, with a leaf in its log and one in the service's own, in one transaction. Throws what `work` throws: then there is neither. */
export async function operateTenant(
  { changes, tenant, operation, asked, entry }: OperatingTenant,
  work: (record: TenantRecord) => TenantRecord,
): Promise<TenantRecord> {
  return changes.runService(async (service) => {
    const record = await service.changeTenant(tenant, async (change) => {
      const next = await change.putTenant(work(await change.findTenant()));
      change.append(entry(tenant, operation, { ...asked }));
      return next;
    });
    service.append(entry('', operation, { tenant, ...asked }));
    return record;
  });
}

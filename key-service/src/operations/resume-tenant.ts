/** A tenant whose rows have gone back goes on with what there is, once an operator has accepted what was lost; `docs/key-service.md` §12.9. */

import type { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { Lost } from '../store/published.ts';

/** Options of {@link resumeTenant}. */
export interface ResumingTenant {
  readonly changes: Pick<CheckpointedChanges, 'resume'>;
  readonly tenant: string;
  /** Whether what was lost may stay lost. */
  readonly acceptRollback: boolean;
  /** The leaf of an act of the operator, in the log of a tenant or, under the empty name, of the service. */
  readonly entry: (log: string, operation: string, change: Record<string, unknown>) => LogEntry;
}

/** What was lost, and whether the tenant goes on. Throws `OperatorError`. */
export interface ResumedTenant {
  readonly tenant: string;
  readonly lost: Lost;
  readonly resumed: boolean;
}

/** Where nothing was lost, nothing is done. Throws `OperatorError` for rows that nobody can accept. */
export async function resumeTenant({ changes, tenant, acceptRollback, entry }: ResumingTenant): Promise<ResumedTenant> {
  const accept = (lost: Lost): boolean => acceptRollback && isAnything(lost);
  const leaf = (log: string, lost: Lost): LogEntry =>
    entry(log, 'resume-tenant', log === '' ? { tenant, lost } : { lost });
  const lost = await changes.resume(tenant, { accept, entry: leaf });
  return { tenant, lost, resumed: accept(lost) };
}

/** Whether anything was lost. */
export function isAnything({ entries, epochs, changes, keys, forked }: Lost): boolean {
  const isLess = entries.there < entries.known || epochs.there < epochs.known || changes.there !== changes.known;
  return isLess || keys.length > 0 || forked;
}

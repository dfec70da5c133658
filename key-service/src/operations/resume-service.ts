/** The service's own log goes on with what there is, once an operator has accepted what was lost; `docs/key-service.md` §12.9. */

import type { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { LostOfService } from '../store/published.ts';

/** Options of {@link resumeService}. */
export interface ResumingServiceLog {
  readonly changes: Pick<CheckpointedChanges, 'resumeService'>;
  /** Whether what was lost may stay lost. */
  readonly acceptRollback: boolean;
  /** The leaf of an act of the operator. */
  readonly entry: (operation: string, change: Record<string, unknown>) => LogEntry;
}

/** What was lost, and whether the log goes on. */
export interface ResumedService {
  readonly lost: LostOfService;
  readonly resumed: boolean;
}

/** Where nothing was lost, nothing is done. Throws `OperatorError` for rows that nobody can accept. */
export async function resumeService({ changes, acceptRollback, entry }: ResumingServiceLog): Promise<ResumedService> {
  const accept = (lost: LostOfService): boolean => acceptRollback && isAnythingOfService(lost);
  const lost = await changes.resumeService({ accept, entry: (lost) => entry('resume-service', { lost }) });
  return { lost, resumed: accept(lost) };
}

/** Whether anything was lost. */
export function isAnythingOfService({ entries, state, publications, tenants, forked }: LostOfService): boolean {
  const isLess = [entries, state, tenants].some(({ known, there }) => there < known);
  return isLess || publications.there !== publications.known || forked;
}

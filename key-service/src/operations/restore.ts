/** Fills an empty database from a backup and verifies it; `docs/key-service.md` §12.5. */

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { EcdhPrivateKey } from 'bulla/keyrings/ecdh';
import type { CheckpointFile } from '../audit/checkpoint-file.ts';
import { AuditLogs } from '../audit/logs.ts';
import { OperatorError } from '../errors.ts';
import type { LogEntry } from '../model/entry.ts';
import type { RootKey } from '../seals/root-key.ts';
import { openerOf, openSecrets } from '../secrets/secrets.ts';
import type { Store } from '../store/store.ts';
import { type BackupInfo, readBackup } from './backup.ts';
import { verifyLogs } from './verify-logs.ts';

/** Options of {@link restore}. */
export interface Restoring {
  /** The backup. */
  readonly from: string;
  readonly key: EcdhPrivateKey;
  readonly serviceId: string;
  /** The newest checkpoint that is known outside. Default: none, which a backup of any age continues. */
  readonly note: string | undefined;
  /** Whether what happened after the backup may be undone. */
  readonly rollback: boolean;
  /** Where the newest checkpoint goes after a rollback. */
  readonly file: CheckpointFile | undefined;
  /** The leaf of an act of the operator. */
  readonly entry: (operation: string, change: Record<string, unknown>) => LogEntry;
}

/** The number of entries of all logs. Throws `OperatorError` and `IntegrityError`; a backup that is refused before it was read whole leaves the database empty. */
export async function restore(store: Store, rootKey: RootKey, options: Restoring): Promise<number> {
  const { from, key, serviceId, note, rollback, file, entry } = options;
  await store.migrate(openerOf(rootKey));
  await readBackup(store, rootKey, { file: from, key, check: (info) => assertFits(info, options) });
  const logs = new AuditLogs(store, await openSecrets(store, rootKey), serviceId);
  const { service } = logs;
  const size = await verifyLogs(store, logs, note === undefined || rollback ? undefined : service.open(note));
  const change = { backup: fingerprint(readFileSync(from)), accepted_rollback: rollback };
  await store.changeService(async (transaction) => transaction.append(entry('restore', change)));
  if (rollback && file) await service.export(file, { rollback });
  return size;
}

function assertFits(backup: BackupInfo, { serviceId, note, rollback }: Restoring): void {
  if (backup.serviceId !== serviceId) throw new OperatorError(`The backup is of the service ${backup.serviceId}`);
  if (note !== undefined && !rollback && sizeOf(backup.checkpoint) < sizeOf(note)) {
    throw new OperatorError(
      'The backup is older than the checkpoint: what was destroyed or marked since would come back',
    );
  }
}

/** A short name of a file's content, for the log. */
function fingerprint(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

function sizeOf(note: string): number {
  return Number(note.split('\n')[1] ?? Number.NaN);
}

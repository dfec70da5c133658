/** Replaces every secret that the database and the root key reveal, except the KEKs and the root key itself; `docs/key-service.md` §12.4. */

import { AuditLog } from '../audit/audit-log.ts';
import type { CheckpointFile } from '../audit/checkpoint-file.ts';
import { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { RootKey } from '../seals/root-key.ts';
import { openSecrets, replacementSecrets, type Secrets } from '../secrets/secrets.ts';
import type { Store } from '../store/store.ts';
import { createIdentity } from '../transport/identity.ts';

/** Options of {@link rotateIdentity}. */
export interface IdentityRotation {
  readonly rootKey: RootKey;
  readonly secrets: Secrets;
  readonly log: AuditLog;
  readonly serviceId: string;
  /** Where the new key of the log signs a checkpoint. Default: nowhere. */
  readonly file: CheckpointFile | undefined;
  /** The leaf of an act of the operator. */
  readonly entry: (operation: string, change: Record<string, unknown>) => LogEntry;
}

/** The thumbprint of the new identity. */
export async function rotateIdentity(store: Store, options: IdentityRotation): Promise<string> {
  const { rootKey, secrets, log, serviceId, file, entry } = options;
  const { verifierKey } = log;
  const from = (await createIdentity(secrets.identity)).thumbprint;
  file?.prepare();
  await store.changeService(async (change) => {
    const next = await replacementSecrets(rootKey, secrets, { verifierKey, size: change.size });
    await change.replaceSecrets(next.rows, next.rowMac);
    change.append(entry('rotate-identity', { from, log: verifierKey }));
  });
  const renewed = await openSecrets(store, rootKey);
  await new CheckpointedChanges(store, new AuditLog(store, renewed, { serviceId }), { file }).export();
  return (await createIdentity(renewed.identity)).thumbprint;
}

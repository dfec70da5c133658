/** Seals every secret under another root key, while nobody serves; `docs/key-service.md` §12.4. */

import type { CheckpointedChanges } from '../audit/checkpointed-changes.ts';
import type { Bytes } from '../lib/bytes.ts';
import type { LogEntry } from '../model/entry.ts';
import type { RootKey, SecretName } from '../seals/root-key.ts';
import { assertNoneServes } from '../store/replicas.ts';
import type { SealedSecret } from '../store/store.ts';

/** Options of {@link rotateRootKey}. */
export interface RootKeyRotation {
  readonly from: RootKey;
  readonly to: RootKey;
  /** Unix seconds, by the clock of the database. */
  readonly now: number;
  /** The leaf of an act of the operator. */
  readonly entry: (operation: string, change: Record<string, unknown>) => LogEntry;
}

/** The number of secrets. Throws `OperatorError` where a replica serves. */
export function rotateRootKey(changes: CheckpointedChanges, { from, to, now, entry }: RootKeyRotation) {
  const reseal = async ({ kind, name, sealed }: SealedSecret): Promise<Bytes> => {
    const secretName = { kind, name } as SecretName;
    const secret = await from.open(secretName, sealed);
    const resealed = await to.seal(secretName, secret);
    secret.fill(0);
    return resealed;
  };
  return changes.runService(async (change) => {
    // A replica would go on sealing under the old root key, and what it makes would be lost with it.
    assertNoneServes(await change.replicas(), now);
    await change.retireReplicas();
    change.append(entry('rotate-root-key', { from: from.id, to: to.id }));
    return change.reseal(reseal);
  });
}

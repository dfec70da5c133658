/** Rows of schema 1, which said less about a key: what they say is checked under their own MACs and written under those of today. */

import { IntegrityError, OperatorError } from '../errors.ts';
import { decodeUtf8 } from '../lib/bytes.ts';
import type { KeyRecord } from '../model/keys.ts';
import { Acknowledged } from './acknowledged.ts';
import type { Queries } from './engine.ts';
import { type KeyReading, renewKeyMacs } from './key-queries.ts';
import { openMacKey, readFormerState } from './one-log.ts';
import { firstKeyMac } from './rows.ts';
import type { OpenSecret } from './store.ts';
import { Sums } from './sums.ts';

const leavesAtOnce = 1000;

/**
 * Renews the MACs of all keys, inside the transaction that brings the rows to schema 2. Throws `IntegrityError` for rows that do not fit, and `OperatorError`
 * where there are keys and no root key.
 */
export async function renewFirstSchema(
  tx: Queries,
  { open }: { readonly open: OpenSecret | undefined },
): Promise<void> {
  const anyKey = await tx.selectFrom('keys').select('id').limit(1).executeTakeFirst();
  if (!anyKey) return;
  if (!open) throw new OperatorError('The database has keys of schema 1: migrating them takes the root key');
  const macKey = await openMacKey(tx, open);
  const acknowledged = new Acknowledged();
  const known = acknowledged.known();
  const reading: KeyReading = { macKey, acknowledged, known, committed: false, macOf: firstKeyMac };
  const importers = await findImporters(tx);
  const { revisions } = await readFormerState(tx, macKey);
  const sums = new Sums();
  await renewKeyMacs(tx, reading, { to: macKey, sums, work: (key) => renewed(key, importers.get(key.id)) });
  if (sums.total !== revisions) {
    throw new IntegrityError('A key in the store is older than the state: it was put back or removed');
  }
}

// Who asked for a deletion was a principal and is a person now: what nobody has approved yet must be asked for again.
function renewed(key: KeyRecord, importer: string | undefined): KeyRecord {
  const { deletion } = key;
  const origin = importer === undefined ? 'generated' : 'imported';
  const approved = deletion?.approvedBy == null ? null : { ...deletion, requestedIdentity: deletion.requestedBy };
  return { ...key, origin, importedBy: importer ?? null, deletion: approved };
}

/** Keys that the log says were imported, with the principals who did it. */
async function findImporters(tx: Queries): Promise<Map<string, string>> {
  const importers = new Map<string, string>();
  for (let from = 0; ; from += leavesAtOnce) {
    const query = tx.selectFrom('audit_leaves').select(['idx', 'entry']).where('idx', '>=', from);
    const leaves = await query.where('idx', '<', from + leavesAtOnce).execute();
    if (leaves.length === 0) return importers;
    for (const { entry } of leaves) {
      const { operation, status, key, principal } = JSON.parse(decodeUtf8(Uint8Array.from(entry)) ?? '{}');
      if (operation === 'import-key' && status === 201) importers.set(key, principal);
    }
  }
}

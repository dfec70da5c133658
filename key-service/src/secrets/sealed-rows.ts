/** The rows of a dump that hold a sealed secret. */

import type { Bytes } from '../lib/bytes.ts';
import type { RootKey, SecretName } from '../seals/root-key.ts';
import type { Store, TableRow } from '../store/store.ts';

/** A sealed secret in a row. */
export interface SealedRow {
  readonly column: 'sealed' | 'material';
  readonly name: SecretName;
  readonly sealed: Bytes;
}

/** The secret of a row, with the tenants of the keys that came before it; `undefined` for a row that has none. */
export function sealedSecretOf({ table, row }: TableRow, tenants: ReadonlyMap<string, string>): SealedRow | undefined {
  if (table === 'secrets') {
    const name = { kind: row['kind'], name: row['name'] } as SecretName;
    return { column: 'sealed', name, sealed: row['sealed'] as Bytes };
  }
  const { material } = row;
  if (table !== 'key_versions' || !(material instanceof Uint8Array)) return undefined;
  const name = `${tenants.get(String(row['key_id']))}/${row['key_id']}/${row['version']}`;
  return { column: 'material', name: { kind: 'kek', name }, sealed: material };
}

/** Opens every secret of a store. Throws `IntegrityError` for one that does not open where it stands. Their number. */
export async function verifySecrets(store: Store, rootKey: RootKey): Promise<number> {
  const tenants = new Map<string, string>();
  let count = 0;
  await store.dump(async (row) => {
    if (row.table === 'keys') tenants.set(String(row.row['id']), String(row.row['tenant']));
    const secret = sealedSecretOf(row, tenants);
    if (!secret) return;
    const opened = await rootKey.open(secret.name, secret.sealed);
    opened.fill(0);
    count += 1;
  });
  return count;
}

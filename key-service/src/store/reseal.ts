/** Seals every secret of a database again. */

import { type Bytes, encodeUtf8 } from '../lib/bytes.ts';
import type { Queries } from './engine.ts';
import { type SealedSecret, transportSecretName } from './store.ts';

/** Passes every sealed secret through `work`, and gives their number. */
export async function resealAll(tx: Queries, work: (secret: SealedSecret) => Promise<Bytes>): Promise<number> {
  const secrets = await tx.selectFrom('secrets').selectAll().execute();
  for (const { kind, name, sealed } of secrets) {
    const next = await work({ kind, name, sealed: Uint8Array.from(sealed) });
    await tx.updateTable('secrets').set({ sealed: next }).where('kind', '=', kind).where('name', '=', name).execute();
  }
  const transports = await tx.selectFrom('transport_keys').selectAll().execute();
  for (const { sealed, ...row } of transports) {
    const { kid } = row;
    const next = await work({ kind: 'transport', name: transportSecretName(row), sealed: Uint8Array.from(sealed) });
    await tx.updateTable('transport_keys').set({ sealed: next }).where('kid', '=', kid).execute();
  }
  const versions = await tx
    .selectFrom('key_versions')
    .innerJoin('keys', 'keys.id', 'key_versions.key_id')
    .select(['keys.tenant', 'key_versions.key_id as keyId', 'key_versions.version', 'key_versions.material'])
    .where('key_versions.material', 'is not', null)
    .execute();
  for (const { tenant, keyId, version, material } of versions) {
    const name = `${tenant}/${keyId}/${version}`;
    const next = await work({ kind: 'kek', name, sealed: Uint8Array.from(material ?? encodeUtf8('')) });
    await tx
      .updateTable('key_versions')
      .set({ material: next })
      .where('key_id', '=', keyId)
      .where('version', '=', version)
      .execute();
  }
  return secrets.length + transports.length + versions.length;
}

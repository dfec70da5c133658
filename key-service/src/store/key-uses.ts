/** Which keys want something done, and which versions may be used: for the service's own work, without MACs, since it looks again before it acts. */

import { sql } from 'kysely';
import type { VersionUse } from '../model/keys.ts';
import type { Queries } from './engine.ts';

const idsAtOnce = 5000;
const usableStates = ['active', 'decrypt-only', 'compromised'];

/** Ids and tenants of keys whose rotation policy or deletion is due. */
export async function selectDueKeys(db: Queries, now: number): Promise<{ id: string; tenant: string }[]> {
  const { rows } = await sql<{ id: string; tenant: string }>`
    select k.id, k.tenant from keys k join key_versions v on v.key_id = k.id and v.version = k.newest
    where k.deletion is not null
      or (v.state = 'active' and k.disabled = 0
        and (v.created + k.max_age_days * 86400 <= ${now} or v.uses >= k.max_uses))
    order by k.id`.execute(db);
  return rows;
}

/** Versions of keys, and whether material of them may be in memory. */
export async function selectVersionUses(db: Queries, ids: readonly string[]): Promise<VersionUse[]> {
  const uses: VersionUse[] = [];
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    const rows = await db
      .selectFrom('key_versions')
      .innerJoin('keys', 'keys.id', 'key_versions.key_id')
      .select(['keys.id', 'keys.disabled', 'key_versions.version', 'key_versions.state'])
      .where('keys.id', 'in', ids.slice(from, from + idsAtOnce))
      .execute();
    for (const { id: keyId, disabled, version, state } of rows) {
      uses.push({ keyId, version, usable: disabled === 0 && usableStates.includes(state) });
    }
  }
  return uses;
}

/** A key as callers see it, `docs/key-service.md` §7.1. */

import type { KeyRecord } from './keys.ts';

export function describeKey(key: KeyRecord) {
  const { deletion } = key;
  return {
    key_id: key.id,
    tenant: key.tenant,
    description: key.description,
    state: key.disabled ? ('disabled' as const) : ('enabled' as const),
    newest_version: key.newest,
    floor: key.floor,
    created: key.created,
    revision: key.revision,
    origin: key.origin,
    aliases: [...key.aliases],
    rotation: { max_age_days: key.maxAgeDays, max_uses: key.maxUses },
    deletion: deletion && {
      version: deletion.version,
      days: deletion.days,
      requested_by: deletion.requestedBy,
      requested: deletion.requested,
      approved_by: deletion.approvedBy,
      destroy_at: deletion.destroyAt,
    },
    versions: key.versions.map(({ version, state, created, uses }) => ({ version, state, created, uses })),
  };
}

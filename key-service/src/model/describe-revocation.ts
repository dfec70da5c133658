/** A revocation as callers see it, `docs/key-service.md` §7.8. */

import { type RevocationRecord, stateOf, untilOf } from './revocations.ts';

export function describeRevocation(record: RevocationRecord) {
  const { undo } = record;
  return {
    revocation_id: record.id,
    tenant: record.tenant,
    state: stateOf(record),
    data_keys: record.tombstones.length,
    tombstones: [...record.tombstones],
    keys: [...record.keys],
    requested_by: record.requestedBy,
    requested: record.requested,
    approved_by: record.approvedBy,
    revoked: record.revoked,
    until: untilOf(record),
    leaf: record.leaf,
    undo: undo && {
      requested_by: undo.requestedBy,
      requested: undo.requested,
      approved_by: undo.approvedBy,
      undone: undo.undone,
      leaf: undo.leaf,
    },
  };
}

/** Asking a key service to refuse data keys, any number of them; `docs/key-service.md` §7.7. */

import type { KeyServiceClient } from '../service/client.ts';
import type { WrappedItem } from '../service/items.ts';
import { dataKeyRevocations, maxRevokedItems } from '../service/revocations.ts';
import type { DataKeyRevocation } from './keyring.ts';

/** A revocation for each 100 items, in their order: who asks again for the same items is told of the same revocations. */
export async function revokeItems(
  client: KeyServiceClient,
  items: readonly WrappedItem[],
  signal: AbortSignal | undefined,
): Promise<readonly DataKeyRevocation[]> {
  const revocations = dataKeyRevocations(client);
  const made: DataKeyRevocation[] = [];
  for (let from = 0; from < items.length; from += maxRevokedItems) {
    const asked = await revocations.request(items.slice(from, from + maxRevokedItems), { signal });
    const state = asked.state === 'revoked' ? 'revoked' : 'requested';
    const { revocation_id: id, data_keys: dataKeys, leaf } = asked;
    made.push({ service: client.url, id, state, dataKeys, leaf: leaf ?? undefined });
  }
  return made;
}

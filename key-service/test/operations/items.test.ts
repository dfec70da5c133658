// Opening an item's wrapped key when the list of refused data keys cannot be read; `docs/key-service.md` §7.7.

import { expect, it } from 'vitest';
import type { KeyRecord } from '../../src/model/keys.ts';
import { openItem } from '../../src/operations/data-keys/items.ts';
import type { ItemParts } from '../../src/operations/data-keys/parts.ts';
import type { UnwrapItem } from '../../src/operations/data-keys/requests.ts';
import { softwareRootKey } from '../../src/seals/software.ts';
import { Materials } from '../../src/secrets/materials.ts';
import { wrapDataKey } from '../../src/secrets/wrapping.ts';

const context = { context: {}, encoded: new Uint8Array(4), digest: new Uint8Array(48), record: '' };

async function world(revoked: () => Promise<{ keys: { isEmpty: boolean } }>) {
  const materials = new Materials(softwareRootKey(new Uint8Array(32).fill(7)));
  const identity = { id: 'key-a', tenant: 'north' };
  const version = await materials.create(identity, 1, 0);
  const key = { ...identity, disabled: false, newest: 1, floor: 1, versions: [version] } as unknown as KeyRecord;
  const material = await materials.open(key, version);
  const bound = { serviceId: 's', tenant: 'north', keyId: 'key-a', version: 1, context: context.encoded };
  const wrapped = wrapDataKey(material, bound, new Uint8Array(32).fill(9));
  const opened: number[] = [];
  const parts = {
    serviceId: 's',
    caller: { tenant: 'north' },
    authorizer: { allowsData: () => true },
    view: { find: async () => key, revoked },
    materials: {
      open(of: KeyRecord, { version: number }: typeof version) {
        opened.push(number);
        return materials.open(of, version);
      },
    },
  } as unknown as ItemParts;
  const item = { key: 'key-a', version: 1, method: 'service', wrapped_key: wrapped } as unknown as UnwrapItem;
  return { opened, open: () => openItem(parts, 'unwrap', item, context) };
}

it('§7.7 nothing is opened where the list cannot be read', async () => {
  const { open, opened } = await world(() => Promise.reject(new Error('tombstones was changed')));
  await expect(open()).rejects.toThrow('tombstones was changed');
  expect(opened).toEqual([]);
});

it('the wrapped key is opened where the list is empty', async () => {
  const { open, opened } = await world(async () => ({ keys: { isEmpty: true } }));
  expect((await open()).dataKey).toEqual(new Uint8Array(32).fill(9));
  expect(opened).toEqual([1]);
});

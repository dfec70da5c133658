// Rows of many subjects under data keys of the key service, for tests of shredding in several processes.

import type pg from 'pg';
import { postgresDataKeyStore } from '../../src/fields/postgres.ts';
import { blindIndex, createFieldEncryption, defineFields, encrypted } from '../../src/fields.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import type { KeyServiceClient } from '../../src/service.ts';

/** What a process needs to shred a subject. */
export interface ShredSettings {
  readonly database: string;
  readonly service: { readonly url: string; readonly pin: string };
  readonly keyId: string;
  readonly subject: string;
}

/** Visits of patients: two data keys for each. */
export const visits = defineFields({
  visit: {
    ...{ row: 'id', tenant: 'clinic', subject: 'patient' },
    columns: { diagnosis: encrypted.string({ index: [blindIndex()] }), note: encrypted.string({ key: 'field' }) },
  },
});

/** A field encryption with nothing in its caches, for whoever the client speaks for. */
export function erasureOf(pool: pg.Pool, client: KeyServiceClient, keyId: string) {
  return createFieldEncryption({
    fields: visits,
    keyring: (tenant) => serviceKeyring({ client, keyId, keyContext: { use: 'bulla-fields', tenant } }),
    dataKeys: postgresDataKeyStore(pool),
  });
}

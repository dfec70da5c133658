// A tenant's keyring, a table and helpers, for tests of database fields.

import {
  blindIndex,
  createFieldEncryption,
  type DataKeyStore,
  defineFields,
  encrypted,
  type FieldEncryptionOptions,
  type Fields,
  memoryDataKeyStore,
} from '../../src/fields.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import type { Keyring } from '../../src/keyrings/custom.ts';

const kek = new Uint8Array(32).fill(7);

/** A keyring as fields need it; counted where a counter is given. */
export function tenantKeyring(tenant: string, counts?: { unwraps: number; generated: number }): Keyring {
  const keyring = aesKeyring({ keyId: 'fields', key: kek, keyContext: { use: 'bulla-fields', tenant } });
  if (counts === undefined) return keyring;
  return {
    ...keyring,
    unwrapDataKey(keys, options) {
      counts.unwraps++;
      return keyring.unwrapDataKey(keys, options);
    },
    generateDataKey(options) {
      counts.generated++;
      return keyring.generateDataKey(options);
    },
  };
}

/** The patients of some clinics. */
export const patients = defineFields({
  patient: {
    row: 'id',
    tenant: 'clinic',
    columns: {
      email: encrypted.string({ index: [blindIndex({ normalize: ['trim', 'lower'], unique: true })] }),
      note: encrypted.string(),
      born: encrypted.date(),
      record: encrypted.json<{ blood: string }>({ pad: 64 }),
    },
  },
  doctor: { row: 'id', tenant: 'clinic', columns: { email: encrypted.string(), note: encrypted.string() } },
});

/** A field encryption over a store in memory. */
export function encryptionOf<Of extends Fields>(
  fields: Of,
  options: Partial<FieldEncryptionOptions<Of>> & { readonly dataKeys?: DataKeyStore } = {},
) {
  return createFieldEncryption({
    fields,
    keyring: (tenant) => tenantKeyring(tenant),
    dataKeys: memoryDataKeyStore(),
    ...options,
  });
}

export const fromHex = (hex: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
export const toHex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** What a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  try {
    await promise;
  } catch (error) {
    return error as Error;
  }
  throw new Error('nothing failed');
}

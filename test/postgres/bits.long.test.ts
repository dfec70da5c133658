// Every bit of 50 records of 0 to 49 bytes: one that is flipped is never a value, always an error; docs/fields.md §1.8.

import { expect, test } from 'vitest';
import { encryptionOf, failureOf, patients } from '../fields/support.ts';

test('§1.8 every bit of a record counts: header, tag, salt, nonce, ciphertext; of 50 records', {
  timeout: 600_000,
}, async () => {
  const encryption = encryptionOf(patients);
  const rows = Array.from({ length: 50 }, (_, id) => ({ id, clinic: 'north', email: 'x'.repeat(id) }));
  const faults: string[] = [];
  for (const { id, email } of await encryption.seal('patient', rows)) {
    const record = email as Uint8Array<ArrayBuffer>;
    for (let bit = 0; bit < record.byteLength * 8; bit++) {
      const flipped = record.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const { code, message } = await failureOf(encryption.open('patient', [{ id, clinic: 'north', email: flipped }]));
      const isRefused = /^ERR_FIELD_(OPEN|PLAINTEXT|UNSUPPORTED|KEY)$/.test(String(code));
      if (!isRefused || message.includes('xxx')) faults.push(`bit ${bit} of record ${id}: ${code}`);
    }
  }
  expect(faults).toEqual([]);
});

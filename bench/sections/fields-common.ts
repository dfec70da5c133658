// What the sections of encrypted columns share.

import { blindIndex, defineFields, encrypted } from 'bulla/fields';
import { aesKeyring } from 'bulla/keyrings/aes';

const north = aesKeyring({
  ...{ keyId: 'bench', key: new Uint8Array(32).fill(7), keyContext: { use: 'bulla-fields', tenant: 'north' } },
});
/** Of the one tenant. */
export const keyring = () => north;
/** A value of 100 B. */
export const note = 'n'.repeat(100);
/** A table with an index. */
export const patients = defineFields({
  patient: {
    row: 'id',
    columns: { email: encrypted.string({ index: [blindIndex({ unique: true })] }), note: encrypted.string() },
  },
});

/** Of this process. */
export const processorMilliseconds = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

import { expect, test } from 'vitest';
import {
  decodeWrappedKey,
  encodedWrappedKey,
  encodeWrappedKey,
  type WrappedKey,
  type Wrapping,
} from '../../src/envelope/wrapped-key.ts';
import { isBytes } from '../../src/lib/bytes.ts';
import { pattern } from '../support/data.ts';

const wrappings: Wrapping[] = [
  { method: 'aes', salt: pattern(32), sealedKey: pattern(48, 2) },
  { method: 'ecdh', ephemeralKey: Uint8Array.of(4, ...pattern(96)), sealedKey: pattern(48, 2) },
  { method: 'rsa', encryptedKey: pattern(384) },
  { method: 'passphrase', salt: pattern(32), iterations: 600_000, sealedKey: pattern(48, 2) },
];

test.each(['5', '0', '12', 'é', '漢字', '👍'.repeat(64)])('key id %s, and the same for a context', (text) => {
  const key: WrappedKey = {
    keyId: text,
    version: 0,
    serviceId: '',
    keyContext: { [text]: text, empty: '' },
    wrapping: wrappings[0] as Wrapping,
  };
  expect(decodeWrappedKey(encodeWrappedKey(key))).toEqual(key);
});

test.each(wrappings)(
  '$method: what a keyring does with the parts of a wrapped key does not reach its bytes',
  (wrapping) => {
    const key: WrappedKey = { keyId: 'key', version: 0, serviceId: '', keyContext: { tenant: 'north' }, wrapping };
    const bytes = encodeWrappedKey(key);
    for (const decoded of [decodeWrappedKey(bytes), encodedWrappedKey(key)]) {
      expect(decoded).toEqual(key);
      for (const part of Object.values(decoded.wrapping)) if (isBytes(part)) part.fill(0xff);
      Object.assign(decoded.keyContext, { tenant: 'south' });
      expect(encodeWrappedKey(decoded)).toEqual(bytes);
      // A copy with other parts is another wrapped key.
      expect(encodeWrappedKey({ ...decoded, wrapping, keyContext: {} })).not.toEqual(bytes);
    }
    expect(encodeWrappedKey(key)).toEqual(bytes);
  },
);

import { describe, expect, test } from 'vitest';
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
  { method: 'kms', opaque: pattern(150) },
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

// A keyring may be anybody's. A number where a length belongs would make the next fields a part of this one.
describe('a part of another type is refused, not written as something else', () => {
  const key = { keyId: 'k', version: 0, serviceId: '', keyContext: {} };
  const [aes, ecdh, rsa, passphrase, kms] = wrappings;
  const service = { method: 'service', opaque: pattern(9) };
  test.each<object>([
    { keyId: 2, version: 5, wrapping: aes },
    { keyId: 3, version: 300, wrapping: ecdh },
    { keyId: Uint8Array.of(65), wrapping: aes },
    { keyId: ['a'], wrapping: aes },
    { keyId: true, wrapping: aes },
    { serviceId: 5, wrapping: service },
    { serviceId: Uint8Array.of(65), wrapping: service },
    { serviceId: 's', wrapping: { ...service, opaque: 'dGV4dA==' } },
    { serviceId: 's', wrapping: { ...service, opaque: 5 } },
    { wrapping: { ...aes, sealedKey: 'x'.repeat(48) } },
    { wrapping: { ...aes, salt: 32 } },
    { wrapping: { ...rsa, encryptedKey: 'x'.repeat(256) } },
    { wrapping: { ...passphrase, iterations: '600000' } },
    { wrapping: { ...passphrase, iterations: 600_000.5 } },
    { wrapping: { ...passphrase, iterations: 2 ** 32 + 700_000 } },
    { wrapping: { ...kms, opaque: 'dGV4dA==' } },
    // Cut to bytes, or written as zeros, they would open for nobody.
    { wrapping: { ...aes, salt: new Uint16Array(32).fill(300) } },
    { wrapping: { ...aes, salt: new Array(32).fill(300) } },
    { wrapping: { ...kms, opaque: { length: 3 } } },
    { wrapping: { ...kms, opaque: new String('AAAA') } },
    { wrapping: aes, serviceId: 5 },
    { wrapping: { ...aes, method: 'keyContext' } },
    { wrapping: { ...aes, method: 'version' } },
    { wrapping: { ...aes, method: '__proto__' } },
    { wrapping: { ...aes, method: 'nonsense' } },
    { wrapping: aes, serviceId: null },
    { wrapping: aes, version: 0.5 },
    { wrapping: aes, version: -1 },
    { wrapping: aes, version: 2 ** 32 },
    { wrapping: aes, version: '0' },
    { serviceId: 's', wrapping: kms },
  ])('%o', (parts) => {
    expect(() => encodeWrappedKey({ ...key, ...parts } as never)).toThrow(
      expect.objectContaining({ code: 'ERR_MALFORMED' }),
    );
  });

  test('a part with a length of its own is still one', () => {
    const whole = { ...key, wrapping: { ...aes, length: 0 } } as unknown as WrappedKey;
    expect(decodeWrappedKey(encodeWrappedKey(whole)).wrapping).toEqual(aes);
  });

  test('as the method service with all its parts is not', () => {
    const whole = { ...key, serviceId: 's', wrapping: service } as WrappedKey;
    expect(decodeWrappedKey(encodeWrappedKey(whole))).toEqual(whole);
  });
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

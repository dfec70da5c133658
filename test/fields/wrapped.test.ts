import { expect, test } from 'vitest';
import { encodeWrappedKey } from '../../src/envelope/wrapped-key.ts';
import { decodeWrapped, encodeWrapped } from '../../src/fields/wrapped.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { tenantKeyring } from './support.ts';

const dataKey = new Uint8Array(32).fill(1);

test('§4.4 wrapped keys that were read do not change with the bytes of the store', async () => {
  const wrapped = encodeWrapped(await tenantKeyring('north').wrapDataKey(dataKey), 'north');
  const [key] = decodeWrapped(wrapped, 'north') ?? [];
  const bytes = key && Array.from(encodeWrappedKey(key));
  expect(bytes?.length).toBe(wrapped.byteLength - 4);
  wrapped.fill(0);
  expect(key && Array.from(encodeWrappedKey(key))).toEqual(bytes);
});

test('§4.4 use and tenant are those of the wrapped key, whatever Object.prototype has', async () => {
  const wrappedKeys = await aesKeyring({ keyId: 'messages', key: new Uint8Array(32) }).wrapDataKey(dataKey);
  const prototype = Object.prototype as { use?: string; tenant?: string };
  Object.assign(prototype, { use: 'bulla-fields', tenant: 'north' });
  try {
    expect(() => encodeWrapped(wrappedKeys, 'north')).toThrow(expect.objectContaining({ code: 'ERR_KEYRING_CANNOT' }));
  } finally {
    Reflect.deleteProperty(prototype, 'use');
    Reflect.deleteProperty(prototype, 'tenant');
  }
});

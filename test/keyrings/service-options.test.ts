// What of the keyring of a key service needs no service; the rest is in test/service.

import { describe, expect, test } from 'vitest';
import { decrypt, encrypt } from '../../src/index.ts';
import { serviceKeyring } from '../../src/keyrings/service.ts';
import { createKeyServiceClient } from '../../src/service.ts';
import { codeOf, fastKeyring } from '../support/data.ts';

const hasWebCrypto = (globalThis.crypto as Crypto | undefined)?.subtle !== undefined;
const never = () => Promise.reject(new Error('nothing must be sent'));
const make = () =>
  createKeyServiceClient({ url: 'https://keys.example', pin: 'A'.repeat(43), token: 'a.b.c', fetch: never });

test('a client needs the WebCrypto of the runtime, and says so where there is none', () => {
  if (hasWebCrypto) expect(make().url).toBe('https://keys.example');
  else expect(make).toThrow(expect.objectContaining({ code: 'ERR_CRYPTO_UNAVAILABLE' }));
});

describe('serviceKeyring', () => {
  const client = hasWebCrypto ? make() : ({ generateDataKey: never } as never);
  const keyId = 'key-aaaaaaaaaaaaaaaaaaaaaaaaaa';

  test('wrong options are named', () => {
    const keyring = (options: object) => () => serviceKeyring({ client, keyId, ...options } as never);
    expect(keyring({})).not.toThrow();
    expect(keyring({ keyId: 'alias:orders' })).not.toThrow();
    for (const wrong of ['orders', 'alias:', 'alias:Orders', 'key-1', 'alias:a/b', '', undefined]) {
      expect(keyring({ keyId: wrong })).toThrow(/^keyId must be/);
    }
    expect(keyring({ client: {} })).toThrow(/^client must be/);
    expect(keyring({ mode: 'both' })).toThrow(/^mode must be/);
    expect(keyring({ decryptKeyIds: ['alias:x'] })).toThrow(/^decryptKeyIds must be/);
    expect(keyring({ keyContext: { a: 1 } })).toThrow(/^keyContext/);
    expect(keyring({ keyContext: { a: '\ud800' } })).toThrow(/surrogate/);
    expect(keyring({ context: {} })).toThrow(/unknown option "context"/);
  });

  test('messages of local keys are not its business: no call', async () => {
    const message = await encrypt('x', { keyring: fastKeyring() });
    expect(await codeOf(decrypt(message, { keyring: serviceKeyring({ client, keyId }) }))).toBe('ERR_NO_MATCHING_KEY');
  });
});

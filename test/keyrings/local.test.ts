import { beforeAll, describe, expect, test } from 'vitest';
import { decrypt, encrypt } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { importDataKey } from '../../src/keyrings/custom.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { passphraseKeyring } from '../../src/keyrings/passphrase.ts';
import {
  exportRsaPublicJwk,
  generateRsaKey,
  importRsaPrivateKey,
  importRsaPublicKey,
  rsaKeyring,
} from '../../src/keyrings/rsa.ts';
import { codeOf, pattern, viewAtOffset } from '../support/data.ts';

const wrapAll = (keyring: Keyring) => keyring.generateDataKey().then(({ wrappedKeys }) => wrappedKeys);

describe('aesKeyring', () => {
  const key = pattern(32);

  test('§8.3 opens its own, with a copy of the key, from a view, or as a CryptoKey', async () => {
    const given = viewAtOffset(key);
    const keyring = aesKeyring({ keyId: 'k', key: given });
    given.fill(0);
    const message = await encrypt('x', { keyring });
    await decrypt(message, { keyring });
    await decrypt(message, { keyring: aesKeyring({ keyId: 'k', key }) });
    if (globalThis.crypto === undefined) return;
    const handle = await crypto.subtle.importKey('raw', key, 'HKDF', false, ['deriveKey', 'deriveBits']);
    await decrypt(message, { keyring: aesKeyring({ keyId: 'k', key: handle }) });
  });

  test('§8.3 a fresh salt for each wrap', async () => {
    const keyring = aesKeyring({ keyId: 'k', key });
    const salts = await Promise.all([1, 2, 3].map(() => wrapAll(keyring)));
    expect(new Set(salts.flat().map(({ wrapping }) => String('salt' in wrapping && wrapping.salt))).size).toBe(3);
  });

  test('§7.5 another key fails, another key id or version is not its own', async () => {
    const message = await encrypt('x', { keyring: aesKeyring({ keyId: 'k', key, version: 1 }) });
    const open = (options: { keyId: string; key: Uint8Array; version?: number }) =>
      codeOf(decrypt(message, { keyring: aesKeyring(options) }));
    expect(await open({ keyId: 'k', key: pattern(32, 2), version: 1 })).toBe('ERR_DECRYPTION_FAILED');
    expect(await open({ keyId: 'l', key, version: 1 })).toBe('ERR_NO_MATCHING_KEY');
    expect(await open({ keyId: 'k', key })).toBe('ERR_NO_MATCHING_KEY');
  });

  test('refuses wrong options by name', () => {
    const make = (options: unknown) => () => aesKeyring(options as never);
    for (const length of [0, 16, 31, 33])
      expect(make({ keyId: 'k', key: new Uint8Array(length) })).toThrow(/^key must be of 32 bytes/);
    expect(make({ keyId: 'k', key: 'secret' })).toThrow(/^key must be/);
    expect(make({ keyId: 'k' })).toThrow(/^key must be/);
    expect(make({ keyId: '', key })).toThrow(/^keyId must be/);
    expect(make({ keyId: 'é'.repeat(129), key })).toThrow(/^keyId must be/);
    expect(make({ keyId: 7, key })).toThrow(/^keyId must be/);
    expect(make({ keyId: 'k', key, version: 2 ** 32 })).toThrow(/^version must be/);
    expect(make({ keyId: 'k', key, extra: 1 })).toThrow(/unknown option "extra"/);
  });
});

describe('passphraseKeyring', () => {
  const keyring = passphraseKeyring({ passphrase: 'Zoe\u0308 lantern' });

  test('§8.5 normalizes to NFC; a wrong passphrase fails', async () => {
    const message = await encrypt('x', { keyring });
    await decrypt(message, { keyring: passphraseKeyring({ passphrase: 'Zo\u00eb lantern' }) });
    const wrong = passphraseKeyring({ passphrase: 'zo\u00eb lantern' });
    expect(await codeOf(decrypt(message, { keyring: wrong }))).toBe('ERR_DECRYPTION_FAILED');
  });

  test('iterations, key id and key context act', async () => {
    const special = passphraseKeyring({ passphrase: 'p', iterations: 600_001, keyId: 'mine', keyContext: { a: 'b' } });
    const [wrapped] = await wrapAll(special);
    expect(wrapped).toMatchObject({
      keyId: 'mine',
      keyContext: { a: 'b' },
      wrapping: { method: 'passphrase', iterations: 600_001 },
    });
    expect(await passphraseKeyring({ passphrase: 'p' }).unwrapDataKey([wrapped as never])).toBeNull();
    expect(await special.unwrapDataKey([wrapped as never])).not.toBeNull();
  });

  test('refuses wrong options by name', () => {
    const make = (options: unknown) => () => passphraseKeyring(options as never);
    expect(make({ passphrase: '' })).toThrow(/^passphrase must be/);
    expect(make({ passphrase: Uint8Array.of(1) })).toThrow(/^passphrase must be/);
    // Unicode 16.0 composes the first two, Unicode 15.0 does not.
    for (const later of ['\u{105d2}\u0307', '\u2ffc', 'a\u{1c89}', '\u0378', '\uffff']) {
      expect(make({ passphrase: later })).toThrow(/^passphrase must be characters that Unicode 15.0 assigns/);
    }
    expect(make({ passphrase: 'Zo\u00eb \u{1fada} \ue000 \u0e01' })).not.toThrow();
    expect(make({ passphrase: 'a\ud800' })).toThrow(/^passphrase has an unpaired surrogate$/);
    for (const iterations of [0, 599_999, 10_000_001, 1e6 + 0.5, '600000']) {
      expect(make({ passphrase: 'p', iterations })).toThrow(/^iterations must be/);
    }
  });
});

describe('rsaKeyring', () => {
  test('§8.4 no public exponent but 65,537', async () => {
    const { n, ...rest } = await exportRsaPublicJwk((await generateRsaKey()).publicKey);
    await importRsaPublicKey({ ...rest, n } as JsonWebKey);
    // With 1, what is encrypted is what should be encrypted.
    for (const e of ['AQ', 'Aw', 'EQ', 'AQAD']) {
      expect(await codeOf(importRsaPublicKey({ ...rest, n, e } as JsonWebKey))).toBe('ERR_INVALID_KEY');
    }
  });

  let pair: Awaited<ReturnType<typeof generateRsaKey>>;
  beforeAll(async () => {
    pair = await generateRsaKey({ extractable: true });
  });

  test('§8.4 opens its own, and others do not', async () => {
    const message = await encrypt('x', { keyring: rsaKeyring({ recipients: [pair.publicKey] }) });
    await decrypt(message, { keyring: rsaKeyring({ privateKeys: [pair.privateKey] }) });
    const impostor = { keyId: pair.publicKey.keyId, privateKey: (await generateRsaKey()).privateKey.privateKey };
    expect(await codeOf(decrypt(message, { keyring: rsaKeyring({ privateKeys: [impostor] }) }))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test('§8.4 the binding is the label: a changed key context does not open', async () => {
    const [wrapped] = await wrapAll(rsaKeyring({ recipients: [pair.publicKey], keyContext: { tenant: 'a' } }));
    const other = rsaKeyring({ privateKeys: [pair.privateKey], keyContext: { tenant: 'b' } });
    expect(await codeOf(other.unwrapDataKey([{ ...(wrapped as object), keyContext: { tenant: 'b' } } as never]))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test('JWK both ways, not extractable unless asked', async () => {
    const jwk = await exportRsaPublicJwk(pair.publicKey);
    expect(Object.keys(jwk).sort()).toEqual(['e', 'kty', 'n']);
    expect((await importRsaPublicKey(jwk)).keyId).toBe(pair.publicKey.keyId);
    expect(await codeOf(importRsaPrivateKey(jwk))).toBe('ERR_INVALID_KEY');
    expect(await codeOf(importRsaPublicKey({ kty: 'EC' }))).toBe('ERR_INVALID_KEY');
  });

  test('§8.4 smaller keys are refused', async () => {
    await expect(generateRsaKey({ modulusLength: 2048 })).rejects.toThrow(/^modulusLength must be/);
    const small = { kty: 'RSA', e: 'AQAB', n: `${'v'.repeat(341)}w` };
    expect(await codeOf(importRsaPublicKey(small))).toBe('ERR_INVALID_KEY');
  });
});

describe('keyrings of your own', () => {
  test('§5.1 a data key has 32 bytes', async () => {
    for (const length of [0, 31, 33])
      expect(await codeOf(importDataKey(new Uint8Array(length)))).toBe('ERR_INVALID_KEY');
    await importDataKey(viewAtOffset(new Uint8Array(32)));
  });

  test('the method service carries the bytes of any key service', async () => {
    const vault = new Map<string, Uint8Array>();
    const keyring: Keyring = {
      async generateDataKey() {
        const bytes = pattern(32);
        vault.set('1', bytes.slice());
        const wrapping = { method: 'service', opaque: Uint8Array.of(49) } as const;
        const wrappedKey = { keyId: 'k', version: 3, serviceId: 'vault', keyContext: {}, wrapping };
        return { dataKey: await importDataKey(bytes), wrappedKeys: [wrappedKey], keyUse: 'single' };
      },
      wrapDataKey: () => Promise.reject(new Error('not here')),
      async unwrapDataKey(wrappedKeys) {
        const wrappedKey = wrappedKeys.find(({ serviceId }) => serviceId === 'vault');
        if (wrappedKey?.wrapping.method !== 'service') return null;
        const id = String.fromCharCode(...wrappedKey.wrapping.opaque);
        return { wrappedKey, dataKey: await importDataKey(vault.get(id) as Uint8Array) };
      },
      unwrapDataKeyBytes: () => Promise.reject(new Error('not here')),
    };
    const message = await encrypt('x', { keyring });
    expect((await decrypt(message, { keyring })).plaintext).toEqual(Uint8Array.of(120));
  });
});

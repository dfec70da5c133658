import { describe, expect, test } from 'vitest';
import { decrypt, encrypt, inspect, KeyError } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { passphraseKeyring } from '../../src/keyrings/passphrase.ts';
import { codeOf, fastKeyring, pattern } from '../support/data.ts';

const other = aesKeyring({ keyId: 'other', key: pattern(32, 5) });

describe('anyOf', () => {
  test('any of the keyrings opens what all of them wrapped', async () => {
    const key = await generateEcdhKey();
    const ecdh = ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] });
    const message = await encrypt('x', { keyring: anyOf(fastKeyring(), ecdh, other) });
    expect(inspect(message).wrappedKeys.map(({ method }) => method)).toEqual(['aes', 'ecdh', 'aes']);
    for (const keyring of [fastKeyring(), ecdh, other, anyOf(other), anyOf(ecdh, other)]) {
      expect((await decrypt(message, { keyring })).plaintext).toEqual(Uint8Array.of(120));
    }
  });

  test('one that fails lets the next one try', async () => {
    const message = await encrypt('x', { keyring: anyOf(fastKeyring(), other) });
    await decrypt(message, { keyring: anyOf(fastKeyring(8), other) });
    const unreachable: Keyring = { ...other, unwrapDataKey: () => Promise.reject(new Error('unreachable')) };
    await decrypt(message, { keyring: anyOf(unreachable, other) });
  });

  test('where none succeeds, the failure that says most', async () => {
    const message = await encrypt('x', { keyring: fastKeyring() });
    const failing = (error: Error): Keyring => ({ ...other, unwrapDataKey: () => Promise.reject(error) });
    expect(await codeOf(decrypt(message, { keyring: anyOf(other, other) }))).toBe('ERR_NO_MATCHING_KEY');
    expect(await codeOf(decrypt(message, { keyring: anyOf(other, fastKeyring(8)) }))).toBe('ERR_DECRYPTION_FAILED');
    const unreachable = failing(new KeyError('ERR_KEYRING_CANNOT', 'unreachable'));
    expect(await codeOf(decrypt(message, { keyring: anyOf(fastKeyring(8), unreachable) }))).toBe('ERR_KEYRING_CANNOT');
    await expect(
      decrypt(message, { keyring: anyOf(failing(new Error('first')), failing(new Error('second'))) }),
    ).rejects.toThrow('first');
  });

  test('all of them must be able to wrap', async () => {
    const readOnly = ecdhKeyring({ privateKeys: [await generateEcdhKey()] });
    expect(await codeOf(encrypt('x', { keyring: anyOf(fastKeyring(), readOnly) }))).toBe('ERR_KEYRING_CANNOT');
  });

  test('§8.6 two passphrases are refused before they are written', async () => {
    const one = passphraseKeyring({ passphrase: 'one' });
    const two = passphraseKeyring({ passphrase: 'two', keyId: 'two' });
    expect(await codeOf(encrypt('x', { keyring: anyOf(one, two) }))).toBe('ERR_MALFORMED');
  });

  test('§2.4 more than 64 wrapped keys are refused', async () => {
    expect(await codeOf(encrypt('x', { keyring: anyOf(...new Array<Keyring>(65).fill(other)) }))).toBe(
      'ERR_LIMIT_EXCEEDED',
    );
    await encrypt('x', { keyring: anyOf(...new Array<Keyring>(64).fill(other)) });
  });

  test('refuses nothing and what is no keyring', () => {
    expect(() => anyOf()).toThrow(/at least one keyring/);
    expect(() => anyOf(other, {} as never)).toThrow(/^keyring 2 must be a keyring/);
  });
});

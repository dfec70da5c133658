import { beforeAll, describe, expect, test } from 'vitest';
import { decrypt, encrypt, inspect } from '../../src/index.ts';
import {
  type EcdhPrivateKey,
  ecdhKeyring,
  exportEcdhPrivateJwk,
  exportEcdhPrivateKey,
  exportEcdhPublicJwk,
  exportEcdhPublicKey,
  generateEcdhKey,
  importEcdhPrivateKey,
  importEcdhPublicKey,
} from '../../src/keyrings/ecdh.ts';
import { codeOf, flipBit, rejection } from '../support/data.ts';

describe('ecdhKeyring', () => {
  let alice: EcdhPrivateKey;
  let bob: EcdhPrivateKey;
  beforeAll(async () => {
    alice = await generateEcdhKey({ extractable: true });
    bob = await generateEcdhKey();
  });

  test('§8.1 every recipient opens, nobody else does', async () => {
    const message = await encrypt('x', { keyring: ecdhKeyring({ recipients: [alice.publicKey, bob.publicKey] }) });
    for (const key of [alice, bob]) {
      const { plaintext } = await decrypt(message, { keyring: ecdhKeyring({ privateKeys: [key] }) });
      expect(new TextDecoder().decode(plaintext)).toBe('x');
    }
    const eve = ecdhKeyring({ privateKeys: [await generateEcdhKey()] });
    expect(await codeOf(decrypt(message, { keyring: eve }))).toBe('ERR_NO_MATCHING_KEY');
  });

  test('§8.1 an ephemeral key of its own for each recipient and each message', async () => {
    const keyring = ecdhKeyring({ recipients: [alice.publicKey, alice.publicKey] });
    const seen = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const { wrappedKeys } = await keyring.generateDataKey();
      for (const { wrapping } of wrappedKeys) seen.add(String(wrapping.method === 'ecdh' && wrapping.ephemeralKey));
    }
    expect(seen.size).toBe(6);
  });

  test('§7.6 skips wrapped keys of another key context or version, and opens its own', async () => {
    const recipients = [alice.publicKey];
    const privateKeys = [alice];
    const message = await encrypt('x', {
      keyring: ecdhKeyring({ recipients, keyContext: { tenant: 'a' }, version: 2 }),
    });
    expect(inspect(message).wrappedKeys).toMatchObject([{ keyContext: { tenant: 'a' }, version: 2 }]);
    for (const options of [{}, { keyContext: { tenant: 'b' }, version: 2 }, { keyContext: { tenant: 'a' } }]) {
      expect(await codeOf(decrypt(message, { keyring: ecdhKeyring({ privateKeys, ...options }) }))).toBe(
        'ERR_NO_MATCHING_KEY',
      );
    }
    await decrypt(message, { keyring: ecdhKeyring({ privateKeys, keyContext: { tenant: 'a' }, version: 2 }) });
  });

  test('a keyring with private keys alone cannot encrypt', async () => {
    const keyring = ecdhKeyring({ privateKeys: [alice] });
    expect(await codeOf(encrypt('x', { keyring }))).toBe('ERR_KEYRING_CANNOT');
  });

  test('refuses wrong options by name', () => {
    const make = (options: unknown) => () => ecdhKeyring(options as never);
    expect(make({})).toThrow(/^recipients or privateKeys must be given/);
    expect(make({ recipients: ['bullapk1.'] })).toThrow(/^recipients\[0\] must be/);
    expect(make({ recipients: alice.publicKey })).toThrow(/^recipients must be/);
    expect(make({ recipients: new Array(65).fill(alice.publicKey) })).toThrow(/at most 64/);
    expect(make({ privateKeys: [alice.publicKey] })).toThrow(/^privateKeys\[0\] must be/);
    expect(make({ recipients: [alice.publicKey], recipient: 1 })).toThrow(/unknown option "recipient"/);
    expect(make({ recipients: [alice.publicKey], version: -1 })).toThrow(/^version must be/);
    expect(make({ recipients: [alice.publicKey], keyContext: { a: 1 } })).toThrow(/keyContext\["a"\]/);
  });

  test('§8.1 a recipient whose point is not on the curve', async () => {
    const off = { keyId: 'x', point: flipBit(alice.publicKey.point, 400) };
    expect(await codeOf(importEcdhPublicKey(exportEcdhPublicKey(off)))).toBe('ERR_INVALID_KEY');
    expect(await codeOf(encrypt('x', { keyring: ecdhKeyring({ recipients: [off] }) }))).toBe('ERR_INVALID_KEY');
  });
});

describe('P-384 keys', () => {
  test('public keys: string and JWK, both ways', async () => {
    const { publicKey } = await generateEcdhKey();
    const text = exportEcdhPublicKey(publicKey);
    expect(text).toMatch(/^bullapk1\.[A-Za-z0-9_-]{130}$/);
    expect(await importEcdhPublicKey(text)).toEqual(publicKey);
    expect(await importEcdhPublicKey(exportEcdhPublicJwk(publicKey))).toEqual(publicKey);
    expect(publicKey.keyId).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  test('private keys: string and JWK, both ways, and not extractable unless asked', async () => {
    const key = await generateEcdhKey({ extractable: true });
    const text = await exportEcdhPrivateKey(key);
    expect(text).toMatch(/^bullask1\.[A-Za-z0-9_-]{192}$/);
    const message = await encrypt('x', { keyring: ecdhKeyring({ recipients: [key.publicKey] }) });
    for (const form of [text, await exportEcdhPrivateJwk(key)]) {
      const imported = await importEcdhPrivateKey(form);
      expect(imported.publicKey).toEqual(key.publicKey);
      expect(imported.privateKey.extractable).toBe(false);
      await decrypt(message, { keyring: ecdhKeyring({ privateKeys: [imported] }) });
      expect(await codeOf(exportEcdhPrivateKey(imported))).toBe('ERR_INVALID_KEY');
    }
    expect(await exportEcdhPrivateKey(await importEcdhPrivateKey(text, { extractable: true }))).toBe(text);
  });

  test('what is no key is refused, and not repeated in the error', async () => {
    const { publicKey } = await generateEcdhKey();
    const point = exportEcdhPublicKey(publicKey);
    const good = exportEcdhPublicJwk(publicKey);
    const bad: (string | JsonWebKey)[] = [
      '',
      'bullapk1.',
      point.slice(0, -1),
      `${point}A`,
      point.replace('bullapk1', 'bullask1'),
      point.replace('bullapk1.B', 'bullapk1.C'),
      `${point.slice(0, 30)}${point[30] === 'A' ? 'B' : 'A'}${point.slice(31)}`,
      { ...good, crv: 'P-256' },
      { ...good, kty: 'OKP' },
      { ...good, x: good.y },
      { ...good, y: `${good.y}A` },
      null as never,
    ];
    for (const key of bad) {
      const error = await rejection(importEcdhPublicKey(key));
      expect(error.code, JSON.stringify(key)).toBe('ERR_INVALID_KEY');
      if (typeof key === 'string' && key.length > 20) expect(error.message).not.toContain(key.slice(12, 24));
    }
  });

  test('a private key whose public part is another’s does not pass as that other’s', async () => {
    const [one, two] = [await generateEcdhKey({ extractable: true }), await generateEcdhKey({ extractable: true })];
    const mixed = { ...(await exportEcdhPrivateJwk(one)), ...exportEcdhPublicJwk(two.publicKey) };
    const imported = await importEcdhPrivateKey(mixed).catch((error: { code: string }) => error.code);
    if (imported !== 'ERR_INVALID_KEY') {
      const message = await encrypt('x', { keyring: ecdhKeyring({ recipients: [two.publicKey] }) });
      const keyring = ecdhKeyring({ privateKeys: [imported as EcdhPrivateKey] });
      expect(await codeOf(decrypt(message, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
    }
  });
});

import { describe, expect, inject, test } from 'vitest';
import { webcrypto } from '#platform';
import { open, seal } from '../../src/crypto/aes-gcm.ts';
import { agree, isPoint } from '../../src/crypto/ecdh.ts';
import { deriveBytes, importSecret } from '../../src/crypto/hkdf.ts';
import { aeadHandle, type SecretKey } from '../../src/crypto/keys.ts';
import { deriveAeadFromPassphrase } from '../../src/crypto/pbkdf2.ts';
import { importEcdhPrivateKey, importEcdhPublicKey } from '../../src/keyrings/ecdh.ts';
import type { Bytes } from '../../src/types.ts';
import { rejection } from '../support/data.ts';
import type { Case } from '../support/wycheproof.ts';

const vectors = inject('wycheproof');
const hex = (text: unknown): Bytes =>
  Uint8Array.from((text as string).match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
const importAead = async (key: Bytes, usage: KeyUsage) =>
  aeadHandle(await (await webcrypto()).subtle.importKey('raw', key, 'AES-GCM', false, [usage]));

describe('AES-GCM', () => {
  const groups = vectors.aesGcm;
  const ours = groups.filter(({ ivSize, keySize, tagSize }) => ivSize === 96 && keySize === 256 && tagSize === 128);
  const cases = ours.flatMap(({ tests }) => tests);

  test('has cases of our sizes, valid and invalid', () => {
    expect(cases.filter(({ result }) => result === 'valid').length).toBeGreaterThan(30);
    expect(cases.filter(({ result }) => result === 'invalid').length).toBeGreaterThan(20);
  });

  test.each(cases)('§6.2 case $tcId', async ({ key, iv, aad, msg, ct, tag, result }) => {
    const sealed = hex(`${ct}${tag}`);
    const opening = await importAead(hex(key), 'decrypt');
    const opened = async () => open(opening, hex(iv), sealed, hex(aad));
    if (result === 'invalid')
      return void expect(await rejection(opened())).toMatchObject({ code: 'ERR_DECRYPTION_FAILED' });
    expect(await opened()).toEqual(hex(msg));
    expect(await seal(await importAead(hex(key), 'encrypt'), hex(iv), hex(msg), hex(aad))).toEqual(sealed);
  });

  test.each(groups.filter((group) => !ours.includes(group)))(
    '§4.1 sizes that are not ours are refused: key $keySize, nonce $ivSize',
    async ({ keySize, ivSize, tests }) => {
      for (const { key, iv, aad, ct, tag } of tests) {
        const attempt = async () => {
          const handle = await importAead(hex(key), 'decrypt');
          return open(handle, hex(iv), hex(`${ct}${tag}`), hex(aad));
        };
        const error = await rejection(attempt());
        // Some platforms have no 192-bit keys at all and say so themselves.
        if (keySize !== 192)
          expect(error.message).toMatch(keySize === 256 ? /must have 12 bytes/ : /must be for AES-256-GCM/);
        else expect(error.message).not.toBe('');
        expect([keySize, ivSize]).not.toEqual([256, 96]);
      }
    },
  );
});

describe('HKDF-SHA-384', () => {
  test.each(vectors.hkdf.flatMap(({ tests }) => tests))(
    '§4.3 case $tcId',
    async ({ ikm, salt, info, size, okm, result }) => {
      const secret = await importSecret(hex(ikm));
      const derived = async () => deriveBytes(secret, hex(salt), hex(info), size as number);
      if (result === 'invalid') return void expect(await rejection(derived())).toBeDefined();
      expect(await derived()).toEqual(hex(okm));
    },
  );
});

describe('ECDH P-384', () => {
  const cases = vectors.ecdh.flatMap(({ tests }) => tests);
  const fingerprint = (secret: SecretKey) => deriveBytes(secret, new Uint8Array(0), new Uint8Array(0), 48);
  const pair = async ({ public: publicJwk, private: privateJwk }: Case) => {
    const { point } = await importEcdhPublicKey(publicJwk as JsonWebKey);
    const { privateKey } = await importEcdhPrivateKey(privateJwk as JsonWebKey);
    return { point, privateKey };
  };

  test('§8.1 every valid case gives its shared secret', async () => {
    const valid = cases.filter(({ result }) => result === 'valid');
    expect(valid.length).toBeGreaterThan(700);
    for (const vector of valid) {
      const { point, privateKey } = await pair(vector);
      const secret = (await agree(privateKey, point)) as SecretKey;
      const expected = await importSecret(hex(vector['shared']));
      expect(await fingerprint(secret), `case ${vector.tcId}`).toEqual(await fingerprint(expected));
    }
  });

  test.each(cases.filter(({ result }) => result === 'invalid'))('§8.1 case $tcId is refused', async (vector) => {
    const { x, y } = vector['public'] as { x: string; y: string };
    expect(await rejection(pair(vector))).toMatchObject({ code: 'ERR_INVALID_KEY' });
    const bytes = (text: string) =>
      Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (c) => c.charCodeAt(0));
    const point = Uint8Array.of(4, ...bytes(x), ...bytes(y));
    expect(isPoint(point)).toBe(false);
  });
});

describe('PBKDF2-HMAC-SHA-512', () => {
  const cases = vectors.pbkdf2.flatMap(({ tests }) => tests);
  // The key of a shorter or longer output begins like ours; of one that is shorter than a key there is nothing to compare with.
  const comparable = cases.filter(({ dkLen }) => (dkLen as number) >= 32);

  test('has cases', () => expect(comparable.length).toBeGreaterThan(25));

  test.each(comparable)('§8.5 case $tcId', async ({ password, salt, iterationCount, dk }) => {
    const key = await deriveAeadFromPassphrase(hex(password), hex(salt), iterationCount as number, 'seal');
    const expected = await importAead(hex(dk).subarray(0, 32), 'encrypt');
    const [nonce, block] = [new Uint8Array(12), new Uint8Array(32)];
    expect(await seal(key, nonce, block)).toEqual(await seal(expected, nonce, block));
  });
});

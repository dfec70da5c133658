// ECDH by `node:crypto`, which Node 20 and 22 use, in the Node that runs the tests.

import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { agree } from '../../src/crypto/ecdh.ts';
import { deriveBytes, importSecret } from '../../src/crypto/hkdf.ts';
import type { SecretKey } from '../../src/crypto/keys.ts';
import { importEcdhPrivateKey, importEcdhPublicKey } from '../../src/keyrings/ecdh.ts';
import { agreeByNode, nodeCrypto } from '../../src/lib/native-node.ts';

const cases = inject('wycheproof').ecdh.flatMap(({ tests }) => tests);
const hex = (text: unknown) => new Uint8Array(Buffer.from(text as string, 'hex'));
const none = new Uint8Array(0);
const fingerprint = (secret: SecretKey) => deriveBytes(secret, none, none, 48);
const before = nodeCrypto.agree;
const own = vi.fn(agreeByNode);
beforeAll(() => void Object.assign(nodeCrypto, { agree: own }));
afterAll(() => void Object.assign(nodeCrypto, { agree: before }));

test('§8.1 every valid case gives its shared secret', async () => {
  const valid = cases.filter(({ result }) => result === 'valid');
  expect(valid.length).toBeGreaterThan(700);
  for (const vector of valid) {
    const { point } = await importEcdhPublicKey(vector['public'] as JsonWebKey);
    const { privateKey } = await importEcdhPrivateKey(vector['private'] as JsonWebKey, { extractable: true });
    const secret = (await agree(privateKey, point)) as SecretKey;
    const expected = await importSecret(hex(vector['shared']));
    expect(await fingerprint(secret), `case ${vector.tcId}`).toEqual(await fingerprint(expected));
  }
  expect(own).toHaveBeenCalledTimes(valid.length);
});

test('§8.1 a point that is not on the curve is refused before it is used', async () => {
  own.mockClear();
  const { privateKey } = await importEcdhPrivateKey(cases[0]?.['private'] as JsonWebKey, { extractable: true });
  const invalid = cases.filter(({ result }) => result === 'invalid');
  expect(invalid.length).toBeGreaterThan(5);
  for (const vector of invalid) {
    const { x, y } = vector['public'] as { x: string; y: string };
    const point = Uint8Array.of(4, ...Buffer.from(x, 'base64url'), ...Buffer.from(y, 'base64url'));
    expect(await agree(privateKey, point)).toBeUndefined();
  }
  expect(own).not.toHaveBeenCalled();
});

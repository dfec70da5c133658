// Rule: only what a platform says of the bytes of a key makes it an invalid key. What it cannot do, and what else it throws, keeps its own error.

import { afterEach, describe, expect, test, vi } from 'vitest';
import { webcrypto } from '#platform';
import {
  exportEcdhPrivateJwk,
  generateEcdhKey,
  importEcdhPrivateKey,
  importEcdhPublicKey,
} from '../../src/keyrings/ecdh.ts';
import { generateRsaKey, importRsaPrivateKey, importRsaPublicKey } from '../../src/keyrings/rsa.ts';
import type { JsonWebKey } from '../../src/types.ts';
import { codeOf, rejection } from '../support/data.ts';

const { subtle } = await webcrypto();
const ecdhKey = await generateEcdhKey({ extractable: true });
const ecdh = await exportEcdhPrivateJwk(ecdhKey);
const pair = await generateRsaKey({ extractable: true });
const rsa = (await subtle.exportKey('jwk', pair.privateKey.privateKey)) as JsonWebKey;

const imports = [
  ['importEcdhPublicKey', importEcdhPublicKey, ecdh, ['kty', 'crv', 'x', 'y']],
  ['importEcdhPrivateKey', importEcdhPrivateKey, ecdh, ['kty', 'crv', 'x', 'y', 'd']],
  ['importRsaPublicKey', importRsaPublicKey, rsa, ['kty', 'n', 'e']],
  ['importRsaPrivateKey', importRsaPrivateKey, rsa, ['kty', 'n', 'e', 'd', 'p', 'q', 'dp', 'dq', 'qi']],
] as const satisfies readonly (readonly [string, (jwk: JsonWebKey) => Promise<unknown>, object, readonly string[]])[];

afterEach(() => void vi.restoreAllMocks());

describe.each(imports)('%s', (_name, importKey, jwk, members) => {
  const importAny = importKey as (jwk: unknown) => Promise<unknown>;

  test.each([null, undefined, 5, true, {}, []])('%o is an invalid key', async (nothing) => {
    expect(await codeOf(importAny(nothing))).toBe('ERR_INVALID_KEY');
  });

  test.each(members)('a wrong %s is an invalid key', async (member) => {
    for (const wrong of [undefined, null, 5, '', '!', `${jwk[member as 'x']}=`, ['x'], {}]) {
      expect(await codeOf(importAny({ ...jwk, [member]: wrong })), String(wrong)).toBe('ERR_INVALID_KEY');
    }
  });

  test('each member is read once', async () => {
    const reads: string[] = [];
    const watched = new Proxy(jwk, {
      get: (target, name) => {
        if (reads.push(String(name)) > 50) throw new Error('too many reads');
        return Reflect.get(target, name);
      },
    });
    await importAny(watched);
    expect(reads.sort()).toEqual([...new Set(reads)]);
  });

  test.each(['DataError', 'OperationError'])('a platform that refuses the key with a %s', async (name) => {
    if (importKey === importEcdhPublicKey) return;
    vi.spyOn(subtle, 'importKey').mockImplementation(() => Promise.reject(new DOMException('no', name)));
    const error = await rejection(importAny(jwk));
    expect(error).toMatchObject({ code: 'ERR_INVALID_KEY' });
    // What a platform says may name a part of the key.
    expect(error.cause).toBeUndefined();
  });

  test.each([
    new DOMException('not here', 'NotSupportedError'),
    new DOMException('no such usage', 'SyntaxError'),
    new DOMException('locked', 'InvalidAccessError'),
    new TypeError('the API is not there'),
    new RangeError('Array buffer allocation failed'),
    new Error('the module of the hardware does not answer'),
    undefined,
    'a string',
  ])('passes on %s', async (error) => {
    if (importKey === importEcdhPublicKey) return;
    vi.spyOn(subtle, 'importKey').mockImplementation(() => Promise.reject(error));
    expect(await rejection(importAny(jwk))).toBe(error);
  });
});

test('a missing WebCrypto is no invalid key', async () => {
  const error = new TypeError('importKey is not a function');
  vi.spyOn(subtle, 'importKey').mockImplementation(() => {
    throw error;
  });
  expect(await rejection(importRsaPublicKey(rsa))).toBe(error);
  expect(await rejection(importEcdhPrivateKey(ecdh))).toBe(error);
});

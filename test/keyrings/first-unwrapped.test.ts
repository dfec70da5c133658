// "The first that unwraps", docs/format.md §7.5: in the order of what the reader holds, whatever the order of the envelope.

import { describe, expect, test } from 'vitest';
import { decodeEnvelope } from '../../src/envelope/envelope.ts';
import { decrypt, encrypt, KeyError, KeyServiceError } from '../../src/index.ts';
import { anyOf } from '../../src/keyrings/any-of.ts';
import { ecdhKeyring, generateEcdhKey } from '../../src/keyrings/ecdh.ts';
import { firstUnwrapped } from '../../src/keyrings/first-unwrapped.ts';
import { generateRsaKey, rsaKeyring } from '../../src/keyrings/rsa.ts';
import { messageParts } from '../../src/message/forms.ts';
import { codeOf, fastKeyring } from '../support/data.ts';

const failing = (code: string) => async () => {
  if (code === 'null') return null;
  if (code === 'ERR_DECRYPTION_FAILED')
    return decrypt(await encrypt('x', { keyring: fastKeyring() }), { keyring: fastKeyring(9) });
  throw code.startsWith('ERR_SERVICE') ? new KeyServiceError(code as never, 'x') : new KeyError(code as never, 'x');
};

describe('§7.5 what is thrown when none succeeds', () => {
  test.each([
    [['null', 'null'], undefined],
    [['null', 'ERR_DECRYPTION_FAILED', 'null'], 'ERR_DECRYPTION_FAILED'],
    [['ERR_DECRYPTION_FAILED', 'ERR_SERVICE_UNREACHABLE'], 'ERR_SERVICE_UNREACHABLE'],
    [['ERR_SERVICE_UNREACHABLE', 'ERR_DECRYPTION_FAILED'], 'ERR_SERVICE_UNREACHABLE'],
    [['ERR_KEYRING_CANNOT', 'ERR_SERVICE_UNREACHABLE'], 'ERR_KEYRING_CANNOT'],
  ])('%s', async (codes, expected) => {
    const result = firstUnwrapped(codes, undefined, (code) => failing(code)());
    if (expected === undefined) expect(await result).toBeNull();
    else expect(await codeOf(result)).toBe(expected);
  });

  test('a failure lets the next one try, an abort does not', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const tried: number[] = [];
    const work = async (candidate: number) => {
      tried.push(candidate);
      if (candidate === 2) controller.abort(reason);
      throw new Error(`${candidate}`);
    };
    await expect(firstUnwrapped([1, 2, 3], controller.signal, work)).rejects.toBe(reason);
    expect(tried).toEqual([1, 2]);
  });
});

const [one, two] = [await generateEcdhKey(), await generateEcdhKey()];
const [rsaOne, rsaTwo] = [await generateRsaKey(), await generateRsaKey()];
const both = ecdhKeyring({ recipients: [one.publicKey, two.publicKey] });
const bothRsa = rsaKeyring({ recipients: [rsaOne.publicKey, rsaTwo.publicKey] });

describe('§7.5 the storage does not choose', () => {
  test.each([
    ['two private keys', both, ecdhKeyring({ privateKeys: [two, one] }), two.publicKey.keyId],
    ['two private keys, the other way round', both, ecdhKeyring({ privateKeys: [one, two] }), one.publicKey.keyId],
    [
      'two RSA keys',
      bothRsa,
      rsaKeyring({ privateKeys: [rsaTwo.privateKey, rsaOne.privateKey] }),
      rsaTwo.privateKey.keyId,
    ],
    [
      'anyOf',
      both,
      anyOf(ecdhKeyring({ privateKeys: [two] }), ecdhKeyring({ privateKeys: [one] })),
      two.publicKey.keyId,
    ],
  ])('%s', async (_what, writer, reader, first) => {
    const { keys } = decodeEnvelope(messageParts(await encrypt('x', { keyring: writer })).envelope);
    for (const order of [keys, [...keys].reverse()]) {
      expect((await reader.unwrapDataKey(order))?.wrappedKey.keyId).toBe(first);
    }
  });
});

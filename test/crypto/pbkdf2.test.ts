import { afterEach, expect, test, vi } from 'vitest';
import { webcrypto } from '#platform';
import { decrypt, encrypt } from '../../src/index.ts';
import { passphraseKeyring } from '../../src/keyrings/passphrase.ts';
import { rejection } from '../support/data.ts';

afterEach(() => vi.restoreAllMocks());

const keyring = passphraseKeyring({ passphrase: 'orbit velvet cactus lantern' });

/** Cloudflare Workers in production; the emulator has no cap. */
async function capIterations() {
  const refusal = new DOMException(
    'Pbkdf2 failed: iteration counts above 100000 are not supported',
    'NotSupportedError',
  );
  const { subtle } = await webcrypto();
  vi.spyOn(subtle, 'deriveKey').mockRejectedValue(refusal);
  return refusal;
}

test('a runtime that caps the iterations says so, and no message becomes unreadable by it', async () => {
  const message = await encrypt('x', { keyring });
  const refusal = await capIterations();
  for (const call of [encrypt('x', { keyring }), decrypt(message, { keyring })]) {
    const error = await rejection(call);
    expect(error).toMatchObject({ code: 'ERR_CRYPTO_UNAVAILABLE', cause: refusal });
    expect(String(error)).toContain('PBKDF2');
  }
});

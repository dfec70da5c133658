// What is in memory is opened in memory of our own, several messages at a time and segments one over the other.

import { describe, expect, test } from 'vitest';
import { deriveAead, importSecret } from '../../src/crypto/hkdf.ts';
import type { AeadKey } from '../../src/crypto/keys.ts';
import { DecryptionError } from '../../src/errors.ts';
import { decrypt, encrypt } from '../../src/index.ts';
import { openAll, sealAll, type TakenBody, takeBody, takePlaintext } from '../../src/stream/whole.ts';
import { assertSameBytes, fastKeyring, pattern, s } from '../support/data.ts';

const salt = new Uint8Array(32);
const keyFor = async (use: 'seal' | 'open'): Promise<AeadKey> =>
  deriveAead(await importSecret(pattern(32)), salt, pattern(8), use);
const sealed = async (length: number) =>
  sealAll(await keyFor('seal'), takePlaintext(pattern(length), s, 0), [], s, undefined);

describe('a segment that does not open', () => {
  test.each([0, 1, 2, 3])('segment %i of 4: nothing of the others is left, now or later', async (wrong) => {
    const bytes = await sealed(4 * s - 1);
    bytes[wrong * (s + 16)] = (bytes[wrong * (s + 16)] as number) ^ 1;
    const body = takeBody(bytes, s) as TakenBody;
    const nothing = new Uint8Array(body.memory.byteLength);
    await expect(openAll(await keyFor('open'), body, undefined)).rejects.toThrow(DecryptionError);
    assertSameBytes(body.memory, nothing);
    // What another thread was at would have come by then.
    for (let i = 0; i < 20; i++) await sealed(s);
    assertSameBytes(body.memory, nothing);
  });

  test('an abort between segments ends it, and leaves nothing', async () => {
    const controller = new AbortController();
    const body = takeBody(await sealed(4 * s - 1), s) as TakenBody;
    const opening = openAll(await keyFor('open'), body, {
      throwIfAborted: () => controller.signal.throwIfAborted(),
    } as AbortSignal);
    controller.abort(new Error('enough'));
    const reason = await opening.then(
      () => undefined,
      (error: Error) => error.message,
    );
    // A platform that needs no other thread has opened all of it in the call.
    if (reason === undefined) return assertSameBytes(body.memory, pattern(4 * s - 1));
    expect(reason).toBe('enough');
    assertSameBytes(body.memory, new Uint8Array(body.memory.byteLength));
  });
});

test('messages of one short segment that are opened at once do not share memory', async () => {
  const keyring = fastKeyring();
  const lengths = [20_000, 65_536, 100, 40_000, 8_192, 65_520, 9_000, 30_000];
  const plaintexts = [...lengths, ...lengths].map((length, i) => pattern(length, i));
  const messages = await Promise.all(plaintexts.map((plaintext) => encrypt(plaintext, { keyring })));
  for (let round = 0; round < 3; round++) {
    const opened = await Promise.all(messages.map((message) => decrypt(message, { keyring })));
    for (const [i, { plaintext }] of opened.entries()) assertSameBytes(plaintext, plaintexts[i] as Uint8Array);
  }
});

test('a body that was taken is not reached by what becomes of its bytes', async () => {
  const bytes = await sealed(s - 1);
  const taken = takeBody(bytes, s);
  bytes.fill(0);
  assertSameBytes(await openAll(await keyFor('open'), taken, undefined), pattern(s - 1));
});

import { describe, expect, test } from 'vitest';
import { encrypt, inspect, toText } from '../../src/index.ts';
import { aesKeyring } from '../../src/keyrings/aes.ts';
import { pattern, s } from '../support/data.ts';

const keyring = aesKeyring({ keyId: 'k', key: pattern(32), version: 3, keyContext: { tenant: 'a' } });
const code = (expected: string) => expect.objectContaining({ code: expected });

describe('inspect', () => {
  test('shows what a message says, marked as unverified, in every form', async () => {
    const options = { keyring, segmentSize: s, context: { id: 'secret' } };
    const message = await encrypt(pattern(2 * s), options);
    const halves = await encrypt(pattern(2 * s), { ...options, detached: true });
    for (const form of [message, toText(message), halves]) {
      const inspection = inspect(form);
      expect(inspection).toMatchObject({
        verified: false,
        suiteName: 'HKDF-SHA-384, AES-256-GCM',
        header: { suite: 1, contextNames: ['id'], keyUse: 'single', segmentSize: s },
        wrappedKeys: [{ method: 'aes', keyId: 'k', version: 3, serviceId: '', keyContext: { tenant: 'a' } }],
        plaintextLength: 2 * s,
      });
      expect(JSON.stringify(inspection)).not.toContain('secret');
    }
    for (const form of [halves.envelope, toText(halves.envelope)])
      expect(inspect(form).plaintextLength).toBeUndefined();
  });

  test('§6.3 the beginning of a message, and lengths that no message has', async () => {
    const message = await encrypt(pattern(2 * s), { keyring, segmentSize: s });
    const beginning = message.slice(0, message.byteLength - s);
    expect(inspect(beginning, { messageLength: message.byteLength }).plaintextLength).toBe(2 * s);
    expect(inspect(message.slice(0, -1)).plaintextLength).toBeUndefined();
    for (const messageLength of [0, 1, 16, 100]) {
      expect(inspect(message, { messageLength }).plaintextLength).toBeUndefined();
    }
    expect(() => inspect(message, { messageLength: -1 })).toThrow(/^messageLength must be/);
    expect(() => inspect(message, { size: 1 } as never)).toThrow(/^unknown option/);
  });

  test('what is no message', async () => {
    expect(() => inspect(new Uint8Array(0))).toThrow(code('ERR_NOT_A_MESSAGE'));
    expect(() => inspect('hello')).toThrow(code('ERR_NOT_A_MESSAGE'));
    expect(() => inspect(undefined as never)).toThrow(TypeError);
    const message = await encrypt('x', { keyring });
    expect(() => inspect(message.slice(0, 40))).toThrow(code('ERR_TRUNCATED'));
  });
});

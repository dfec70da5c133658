import { describe, expect, test } from 'vitest';
import { attach, decrypt, detach, encrypt, fromText, inspect, toText } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import {
  boundarySizes,
  codeOf,
  fastKeyring,
  pattern,
  rejection,
  s,
  seededRandom,
  viewAtOffset,
} from '../support/data.ts';

const keyring = fastKeyring();
const segmentSize = s;

describe('encrypt and decrypt', () => {
  test.each(boundarySizes)('§6.1 %i bytes, in every form', async (size) => {
    const data = pattern(size, size + 1);
    const message = await encrypt(data, { keyring, segmentSize });
    const halves = await encrypt(data, { keyring, segmentSize, detached: true });
    const textHalves = { ...halves, envelope: toText(halves.envelope) };
    for (const form of [
      message,
      viewAtOffset(message),
      toText(message),
      halves,
      textHalves,
      attach(halves),
      detach(message),
    ]) {
      const { plaintext } = await decrypt(form, { keyring });
      expect(plaintext).toEqual(data);
      expect(plaintext.constructor).toBe(Uint8Array);
    }
    expect(inspect(message).plaintextLength).toBe(size);
    expect(attach(detach(message))).toEqual(message);
  });

  test.each([12, 13, 18, 22])('§3.1 segments of 2^%i bytes', async (log2) => {
    const data = pattern(2 ** log2 + 1);
    const message = await encrypt(data, { keyring, segmentSize: 2 ** log2 });
    const { plaintext, header } = await decrypt(message, { keyring });
    expect(plaintext.byteLength).toBe(data.byteLength);
    expect(plaintext[2 ** log2]).toBe(data[2 ** log2]);
    expect(header.segmentSize).toBe(2 ** log2);
  });

  test('strings are UTF-8', async () => {
    const { plaintext } = await decrypt(await encrypt('grüße \u{1F600}', { keyring }), { keyring });
    expect(new TextDecoder().decode(plaintext)).toBe('grüße \u{1F600}');
    await expect(encrypt('\ud800', { keyring })).rejects.toThrow(/^data has an unpaired surrogate$/);
  });

  test('encrypts the bytes of a view, not what is around them', async () => {
    const data = pattern(3 * s + 5);
    const { plaintext } = await decrypt(await encrypt(viewAtOffset(data), { keyring, segmentSize }), { keyring });
    expect(plaintext).toEqual(data);
  });

  test('what the header says is what was given', async () => {
    const metadata = JSON.parse('{"name":"a.txt","empty":"","__proto__":"p","é":"ü"}') as Record<string, string>;
    const now = () => Date.UTC(2026, 10, 24, 1, 2, 3, 999);
    const message = await encrypt('x', {
      keyring,
      metadata,
      contentType: 'text/plain',
      context: { b: '1', a: '2' },
      now,
    });
    const { header } = await decrypt(message, { keyring, context: { a: '2', b: '1' } });
    expect(header).toEqual({
      suite: 1,
      segmentSize: 262_144,
      created: new Date(Date.UTC(2026, 10, 24, 1, 2, 3)),
      keyUse: 'single',
      contextNames: ['a', 'b'],
      contentType: 'text/plain',
      metadata,
    });
    expect(inspect(message).header).toEqual(header);
    expect(Object.keys(header.metadata)).toEqual(['__proto__', 'empty', 'name', 'é']);
  });

  test('§3.2 two messages of the same data share nothing but their form', async () => {
    const [one, two] = [
      await encrypt('x', { keyring, detached: true }),
      await encrypt('x', { keyring, detached: true }),
    ];
    expect(one.body).not.toEqual(two.body);
    expect(await codeOf(decrypt({ envelope: one.envelope, body: two.body }, { keyring }))).toBe(
      'ERR_DECRYPTION_FAILED',
    );
  });

  test('the clock and the random generator can be replaced, and all else is determined', async () => {
    const options = () => ({ keyring, now: () => 1e12, random: seededRandom(7) });
    expect(await encrypt('x', options())).toEqual(await encrypt('x', options()));
    expect(await encrypt('x', { ...options(), random: seededRandom(8) })).not.toEqual(await encrypt('x', options()));
    await expect(encrypt('x', { keyring, random: () => new Uint8Array(31) })).rejects.toThrow(
      /^random\(\) must return 32 bytes/,
    );
  });
});

describe('context', () => {
  const context = { record: '4711', field: 'diagnosis' };

  test('§3.7 names that differ are told, values never', async () => {
    const message = await encrypt('x', { keyring, context });
    const error = (given?: Record<string, string>) => rejection(decrypt(message, { keyring, context: given }));
    expect(await error()).toMatchObject({ code: 'ERR_CONTEXT_MISMATCH', missing: ['field', 'record'], unexpected: [] });
    expect(await error({ record: '4711' })).toMatchObject({ missing: ['field'], unexpected: [] });
    const extra = await error({ ...context, secret: 'top-secret-value' });
    expect(extra).toMatchObject({ code: 'ERR_CONTEXT_MISMATCH', missing: [], unexpected: ['secret'] });
    expect(extra.message).not.toContain('top-secret-value');
    expect(extra.message).not.toContain('4711');
    expect(await codeOf(decrypt(await encrypt('x', { keyring }), { keyring, context }))).toBe('ERR_CONTEXT_MISMATCH');
  });

  test('§3.7 a wrong context is found before any key is asked for', async () => {
    const message = await encrypt('x', { keyring, context });
    const asked = { ...keyring, unwrapDataKey: () => Promise.reject(new Error('asked')) };
    expect(await codeOf(decrypt(message, { keyring: asked }))).toBe('ERR_CONTEXT_MISMATCH');
  });

  test('§5.4 §5.5 a wrong value fails like everything else', async () => {
    const message = await encrypt('x', { keyring, context });
    for (const wrong of [
      { ...context, record: '4712' },
      { ...context, record: '' },
      { record: 'diagnosis', field: '4711' },
    ]) {
      const error = await rejection(decrypt(message, { keyring, context: wrong }));
      expect(error).toMatchObject({ code: 'ERR_DECRYPTION_FAILED', message: 'The message could not be decrypted' });
      expect(error.cause).toBeUndefined();
    }
    await decrypt(message, { keyring, context: { field: 'diagnosis', record: '4711' } });
  });
});

describe('arguments', () => {
  test.each<[string, object, RegExp]>([
    ['keyring', { keyring: undefined }, /^keyring must be a keyring/],
    ['keyring', { keyring: { wrapDataKey() {} } }, /^keyring must be a keyring/],
    ['context', { context: 'x' }, /^context must be a plain object/],
    ['metadata', { metadata: [] }, /^metadata must be a plain object/],
    ['contentType', { contentType: 7 }, /^contentType must be a string/],
    ['contentType', { contentType: 'x'.repeat(257) }, /^contentType must be at most/],
    ['segmentSize', { segmentSize: 0 }, /^segmentSize must be a power of two/],
    ['segmentSize', { segmentSize: 2048 }, /^segmentSize must be a power of two/],
    ['segmentSize', { segmentSize: 5000 }, /^segmentSize must be a power of two/],
    ['segmentSize', { segmentSize: 2 ** 23 }, /^segmentSize must be a power of two/],
    ['segmentSize', { segmentSize: '4096x' }, /^segmentSize must be a power of two/],
    ['signal', { signal: {} }, /^signal must be an AbortSignal/],
    ['now', { now: 5 }, /^now must be a function/],
    ['random', { random: 5 }, /^random must be a function/],
    ['detached', { detached: 1 }, /^detached must be a boolean/],
    ['a misspelt option', { contxt: {} }, /^unknown option "contxt"/],
  ])('encrypt refuses a wrong %s', async (_, options, message) => {
    const error = await rejection(encrypt('x', { keyring, ...options } as never));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
  });

  test('decrypt refuses wrong options and what can be no message', async () => {
    const message = await encrypt('x', { keyring });
    for (const [options, text] of [
      [{ keyring: 1 }, /^keyring must/],
      [{ keyring, context: 1 }, /^context must/],
      [{ keyring, envelope: message }, /^unknown option "envelope"/],
      [undefined, /^options must be a plain object/],
    ] as const) {
      await expect(decrypt(message, options as never)).rejects.toThrow(text);
    }
    for (const wrong of [undefined, null, 7, {}, [1], new ArrayBuffer(9)]) {
      await expect(decrypt(wrong as never, { keyring })).rejects.toThrow(TypeError);
      await expect(encrypt(wrong as never, { keyring })).rejects.toThrow(TypeError);
    }
  });

  test('§2.4 metadata and header that are too large', async () => {
    const metadata = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`n${i}`, 'x'.repeat(8192)]));
    expect(await codeOf(encrypt('x', { keyring, metadata }))).toBe('ERR_LIMIT_EXCEEDED');
    expect(await codeOf(encrypt('x', { keyring, metadata: { n: 'x'.repeat(8193) } }))).toBe('ERR_LIMIT_EXCEEDED');
  });

  test('a signal ends the work, before and in the middle', async () => {
    const reason = new Error('enough');
    await expect(encrypt('x', { keyring, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const message = await encrypt(pattern(40 * s), { keyring, segmentSize });
    await expect(decrypt(message, { keyring, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const abortDuring = (method: 'generateDataKey' | 'unwrapDataKey') => {
      const controller = new AbortController();
      const aborting = {
        ...keyring,
        [method]: async (...args: never[]) => {
          const result = await (keyring[method] as (...args: never[]) => Promise<unknown>)(...args);
          controller.abort(reason);
          return result;
        },
      };
      return { keyring: aborting, signal: controller.signal };
    };
    await expect(encrypt('x', abortDuring('generateDataKey'))).rejects.toBe(reason);
    await expect(decrypt(message, abortDuring('unwrapDataKey'))).rejects.toBe(reason);
  });

  test('a whole text is not taken for halves, nor a message for an envelope', async () => {
    const { envelope, body } = await encrypt('x', { keyring, detached: true });
    expect(await codeOf(decrypt(envelope, { keyring }))).toBe('ERR_NOT_A_MESSAGE');
    expect(await codeOf(decrypt(body, { keyring }))).toBe('ERR_NOT_A_MESSAGE');
    expect(await codeOf(decrypt({ envelope: body, body: envelope }, { keyring }))).toBe('ERR_NOT_A_MESSAGE');
    expect(fromText(toText(envelope))).toEqual(envelope);
  });
});

describe('what nobody could read is not written', () => {
  test.each([0, 999, -86_400_000, Number.NaN, 2 ** 32 * 1000, Number.POSITIVE_INFINITY, new Date(), '1'])(
    'a clock that shows %s',
    async (time) => {
      const now = () => time as number;
      await expect(encrypt('x', { keyring, now })).rejects.toThrow(TypeError);
    },
  );

  test('a keyring that gives no wrapped keys', async () => {
    const none: Keyring = {
      ...keyring,
      generateDataKey: async (options) => ({ ...(await keyring.generateDataKey(options)), wrappedKeys: [] }),
    };
    await expect(encrypt('x', { keyring: none })).rejects.toMatchObject({ code: 'ERR_KEYRING_CANNOT' });
  });

  test.each(['4096', [4096], 4096.0000000000009, new Number(4096)])('segmentSize %j', async (segmentSize) => {
    const options = { keyring, segmentSize: segmentSize as number };
    await expect(encrypt('x', options)).rejects.toThrow(/^segmentSize must be/);
  });
});

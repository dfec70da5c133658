// What a handler of a service worker answers when something fails, and what the functions and objects of an application can do to it.

import { describe, expect, test } from 'vitest';
import { KeyError, KeyServiceError, SourceError } from '../../src/errors.ts';
import { encrypt, type Source } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { createDecryptingHandler, type DecryptingHandlerOptions } from '../../src/service-worker.ts';
import { fastKeyring, flipBit, pattern, rejection, s } from '../support/data.ts';
import { bodyOf, counting, get, handlerOf, keyring, origin } from '../support/handlers.ts';

describe('failures', () => {
  const failing = (error: unknown): Keyring => ({ ...keyring, unwrapDataKey: () => Promise.reject(error) });

  test.each([
    [new KeyServiceError('ERR_TOKEN_EXPIRED', 'm'), 401],
    [new KeyServiceError('ERR_NOT_ALLOWED', 'm'), 403],
    [new KeyServiceError('ERR_KEY_DISABLED', 'm'), 423],
    [new KeyServiceError('ERR_KEY_PENDING_DELETION', 'm'), 423],
    [new KeyServiceError('ERR_DATA_KEY_REVOKED', 'm'), 423],
    [new KeyServiceError('ERR_THROTTLED', 'm', { retryAfter: 7 }), 429],
    [new KeyServiceError('ERR_SERVICE_IDENTITY', 'm'), 502],
    [new KeyServiceError('ERR_SERVICE_UNREACHABLE', 'm'), 503],
    [new KeyServiceError('ERR_SERVICE_TIMEOUT', 'm'), 504],
    [new KeyError('ERR_NO_MATCHING_KEY', 'm'), 403],
    [new SourceError('ERR_SOURCE_CHANGED', 'm'), 502],
    [new KeyError('ERR_KEYRING_CANNOT', 'm'), 500],
  ])('%s is a %i with its code and no more', async (error, status) => {
    const { ask, errors } = handlerOf({ source: await encrypt('x', { keyring }), keyring: failing(error) });
    const response = await ask();
    expect([response.status, response.headers.get('Bulla-Error')]).toEqual([status, error.code]);
    expect(response.headers.get('Retry-After')).toBe(status === 429 ? '7' : null);
    expect(response.headers.get('Content-Type')).toBe('application/problem+json');
    expect(await response.json()).toEqual({ title: 'The message could not be read', status, code: error.code });
    expect(errors).toEqual([error]);
  });

  test('a wrong context names no names and no values', async () => {
    const source = await encrypt('x', { keyring, context: { 'hidden-name': 'hidden-value' } });
    for (const context of [{}, { 'hidden-name': 'guess' }]) {
      const response = await handlerOf({ source, keyring, context }).ask();
      const text = JSON.stringify([...response.headers]) + (await response.text());
      expect(response.status).toBe(422);
      expect(text).not.toMatch(/hidden|guess/);
    }
  });

  test('what is no error of bulla’s is a 500 without a word', async () => {
    const { ask, errors } = handlerOf({
      source: await encrypt('x', { keyring }),
      keyring: failing(new Error('secret')),
    });
    const response = await ask();
    expect([response.status, response.headers.get('Bulla-Error')]).toEqual([500, null]);
    expect(await response.text()).not.toContain('secret');
    expect(errors).toHaveLength(1);
  });

  test('no message, a cut one, a changed first segment: 422, and no byte of plaintext', async () => {
    const bytes = await encrypt(pattern(3 * s), { keyring, segmentSize: s });
    const front = bytes.byteLength - 3 * (s + 16) - 16;
    for (const source of [pattern(100), new Uint8Array(0), bytes.slice(0, -1), flipBit(bytes, (front + 5) * 8)]) {
      const response = await handlerOf({ source, keyring }).ask();
      expect(response.status).toBe(422);
      expect(((await response.json()) as { code: string }).code).toMatch(/^ERR_/);
    }
  });

  test('a changed later segment breaks the answer off, is told, and forgets the message', async () => {
    const bytes = await encrypt(pattern(3 * s), { keyring, segmentSize: s });
    const front = bytes.byteLength - 3 * (s + 16) - 16;
    const counted = counting();
    const { ask, errors } = handlerOf({ source: flipBit(bytes, (front + s + 20) * 8), keyring: counted });
    // Segments that are read together fail together; ranges tell them apart.
    expect((await ask({ Range: `bytes=0-${s - 1}` })).status).toBe(206);
    expect((await ask({ Range: `bytes=${2 * s}-` })).status).toBe(206);
    expect(counted.unwraps).toBe(1);
    expect((await ask({ Range: `bytes=${s}-` })).status).toBe(422);
    await ask({ Range: 'bytes=0-0' });
    expect([counted.unwraps, errors.length]).toEqual([2, 1]);

    const large = await encrypt(pattern(2000 * s), { keyring, segmentSize: s });
    const late = handlerOf({ source: flipBit(large, (large.byteLength - 30 * s) * 8), keyring });
    const response = await late.ask();
    expect(response.status).toBe(200);
    await rejection(bodyOf(response));
    expect(late.errors.map((error) => (error as { code: string }).code)).toEqual(['ERR_DECRYPTION_FAILED']);
  });

  test('match: null later is a 404; what throws, rejects or is no resource is a 500', async () => {
    const statusOf = async (match: unknown) => {
      const { respond } = createDecryptingHandler({ match: match as DecryptingHandlerOptions['match'] });
      return (await respond(get()))?.status;
    };
    expect(await statusOf(async () => null)).toBe(404);
    expect(await statusOf(() => null)).toBeUndefined();
    const source = await encrypt('x', { keyring });
    for (const wrong of [
      () => {
        throw new Error('no');
      },
      () => Promise.reject(new Error('no')),
      () => ({}),
      () => ({ source }),
      () => ({ source: 7, keyring }),
      () => ({ source, keyring, contentType: 7 }),
      () => ({ source, keyring, contentType: 'image/png\r\nSet-Cookie: x' }),
      () => ({ source, keyring, typo: 1 }),
    ]) {
      expect(await statusOf(wrong)).toBe(500);
    }
  });

  test('wrong options', () => {
    const match = () => null;
    for (const [options, words] of [
      [undefined, /options/],
      [{}, /match/],
      [{ match, typo: 1 }, /unknown option "typo"/],
      [{ match, maxOpened: -1 }, /maxOpened/],
      [{ match, maxAge: 0.5 }, /maxAge/],
      [{ match, onError: 'x' }, /onError/],
      [{ match, now: 5 }, /now/],
      [{ match, allowedContentTypes: 'a/b' }, /allowedContentTypes/],
      [{ match, allowedContentTypes: ['A/B'] }, /allowedContentTypes/],
      [{ match, allowedContentTypes: ['a/b;c=d'] }, /allowedContentTypes/],
    ] as [never, RegExp][]) {
      expect(() => createDecryptingHandler(options)).toThrow(words);
    }
  });
});

describe('what the application gives and does', () => {
  test('a resource is what it was when it was matched: the next user gets nothing of the last one', async () => {
    const source = await encrypt('of alice', { keyring, context: { user: 'alice' } });
    const resource = { source, keyring, context: { user: 'alice' } };
    const { respond } = createDecryptingHandler({ match: () => resource });
    expect((await respond(get()))?.status).toBe(200);
    resource.context.user = 'bob';
    expect((await respond(get()))?.status).toBe(422);
    Object.assign(resource, { keyring: fastKeyring(9), context: { user: 'alice' } });
    expect((await respond(get()))?.status).toBe(422);
    Object.assign(resource, { keyring });
    source[source.byteLength - 1] = (source[source.byteLength - 1] as number) ^ 1;
    expect((await respond(get()))?.status).toBe(422);
  });

  test('a match without an answer goes to the network', () => {
    const { respond } = createDecryptingHandler({ match: () => undefined });
    expect(respond(get())).toBeUndefined();
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('the logger failed');
      },
    ],
    ['rejects', () => Promise.reject(new Error('the logger failed'))],
  ])('an onError that %s changes no answer', async (_, onError) => {
    const source = await encrypt('x', { keyring });
    const { respond } = createDecryptingHandler({ match: () => ({ source, keyring: fastKeyring(9) }), onError });
    expect((await respond(get()))?.status).toBe(422);
  });

  test('an abort while the first segment is read ends the answer and the read', async () => {
    const message = await encrypt(pattern(40 * s), { keyring, segmentSize: s });
    let reads = 0;
    let hanging = () => {};
    const begun = new Promise<void>((resolve) => {
      hanging = resolve;
    });
    let told: unknown;
    const source: Source = {
      size: message.byteLength,
      read(offset, length, signal) {
        if (++reads < 4) return Promise.resolve(message.subarray(offset, offset + length));
        hanging();
        return new Promise((_, reject) => {
          signal?.addEventListener('abort', () => {
            told = signal.reason;
            reject(signal.reason);
          });
        });
      },
    };
    const { respond } = createDecryptingHandler({ match: () => ({ source, keyring }) });
    const controller = new AbortController();
    const response = respond(new Request(`${origin}/x`, { signal: controller.signal }));
    await begun;
    controller.abort(new Error('the page went away'));
    await expect(response).rejects.toThrow('the page went away');
    expect(told).toBeDefined();
  });
});

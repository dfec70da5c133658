import { describe, expect, inject, test } from 'vitest';
import { KeyServiceError } from '../../src/errors.ts';
import { encrypt, rewrap, type Source } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import { createDecryptingHandler, type MessageResource } from '../../src/service-worker.ts';
import { boundarySizes, fastKeyring, pattern, rejection, s } from '../support/data.ts';
import { bodyOf, counting, get, handlerOf, keyring, origin } from '../support/handlers.ts';
import { recording } from '../support/sources.ts';

describe('answers', () => {
  test.each(boundarySizes)('%i bytes: all of it, HEAD, and every range around the boundaries', async (size) => {
    const data = pattern(size, size + 3);
    const { ask } = handlerOf({ source: await encrypt(data, { keyring, segmentSize: s }), keyring });
    const whole = await ask();
    expect([whole.status, whole.headers.get('Content-Length')]).toEqual([200, String(size)]);
    expect(await bodyOf(whole)).toEqual(data);
    const head = await ask({ Range: 'bytes=0-0' }, { method: 'HEAD' });
    expect([head.status, head.headers.get('Content-Length'), head.body]).toEqual([200, String(size), null]);
    const edges = [0, 1, s - 1, s, s + 1, 2 * s, size - 1].filter((edge) => edge >= 0 && edge < size);
    for (const first of edges) {
      for (const last of edges.filter((edge) => edge >= first)) {
        const part = await ask({ Range: `bytes=${first}-${last}` });
        expect(part.status).toBe(206);
        expect(part.headers.get('Content-Range')).toBe(`bytes ${first}-${last}/${size}`);
        expect(part.headers.get('Content-Length')).toBe(String(last - first + 1));
        expect(await bodyOf(part)).toEqual(data.slice(first, last + 1));
      }
    }
    const beyond = await ask({ Range: `bytes=${size}-` });
    expect([beyond.status, beyond.headers.get('Content-Range')]).toEqual([416, `bytes */${size}`]);
    expect((await bodyOf(beyond)).byteLength).toBe(0);
  });

  test('headers that keep plaintext where it belongs', async () => {
    const { ask } = handlerOf({ source: await encrypt('x', { keyring, contentType: 'image/png' }), keyring });
    const { headers } = await ask();
    expect(headers.get('Content-Type')).toBe('image/png');
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    expect(headers.get('Cache-Control')).toBe('no-store');
    expect(headers.get('Cross-Origin-Resource-Policy')).toBe('same-origin');
    expect(headers.get('Content-Security-Policy')).toMatch(/^default-src 'none';.* sandbox$/);
    expect(headers.get('Accept-Ranges')).toBe('bytes');
  });

  test('the type is that of the message where it is safe, is allowed or is the resource’s own', async () => {
    const typeOf = async (resource: Partial<MessageResource>, options = {}) => {
      const source = await encrypt('<script>', { keyring, contentType: 'text/html' });
      return (await handlerOf({ source, keyring, ...resource }, options).ask()).headers.get('Content-Type');
    };
    expect(await typeOf({})).toBe('application/octet-stream');
    expect(await typeOf({}, { allowedContentTypes: ['text/html'] })).toBe('text/html');
    expect(await typeOf({ contentType: 'image/svg+xml' })).toBe('image/svg+xml');
  });

  test('If-Range by the tag, which is the same after another opening and a rewrap, and another for another message', async () => {
    const data = pattern(3 * s);
    const message = await encrypt(data, { keyring, segmentSize: s });
    const other = fastKeyring(8);
    const rewrapped = await rewrap(message, { from: keyring, to: other });
    const first = handlerOf({ source: message, keyring });
    const etag = (await first.ask()).headers.get('ETag') as string;
    expect(etag).toMatch(/^"[\w-]{32}"$/);
    first.forget();
    const again = await first.ask({ Range: 'bytes=1-2', 'If-Range': etag });
    expect([again.status, again.headers.get('ETag')]).toEqual([206, etag]);
    expect((await handlerOf({ source: rewrapped, keyring: other }).ask()).headers.get('ETag')).toBe(etag);
    const encryptedAgain = handlerOf({ source: await encrypt(data, { keyring, segmentSize: s }), keyring });
    const changed = await encryptedAgain.ask({ Range: 'bytes=1-2', 'If-Range': etag });
    expect(changed.status).toBe(200);
    expect(await bodyOf(changed)).toEqual(data);
  });

  test('context, detached bodies, blobs and URLs', async () => {
    const data = pattern(2 * s);
    const context = { id: '4711' };
    const { envelope, body } = await encrypt(data, { keyring, context, detached: true });
    expect(await bodyOf(await handlerOf({ source: body, envelope, keyring, context }).ask())).toEqual(data);
    const message = await encrypt(data, { keyring, context });
    expect(await bodyOf(await handlerOf({ source: new Blob([message]), keyring, context }).ask())).toEqual(data);
    const url = new URL(`${inject('rangeServer')}/service-worker-${Math.random()}`);
    await fetch(url, { method: 'PUT', body: message });
    const response = await handlerOf({ source: url, keyring, context }).ask({ Range: 'bytes=-5' });
    expect(await bodyOf(response)).toEqual(data.slice(-5));
  });

  test('onFetch answers what is matched and leaves the rest alone', async () => {
    const source = await encrypt('x', { keyring });
    const asked: string[] = [];
    const { onFetch } = createDecryptingHandler({
      match: ({ pathname }, { method }) => {
        asked.push(`${method} ${pathname}`);
        return pathname === '/media/1' ? { source, keyring } : null;
      },
    });
    const answers: Promise<Response>[] = [];
    const event = (request: Request) => ({
      request,
      respondWith: (answer: Promise<Response>) => void answers.push(answer),
    });
    onFetch(event(get()));
    onFetch(event(new Request(`${origin}/other`)));
    onFetch(event(get({}, { method: 'POST', body: 'x' })));
    onFetch(event(get({}, { method: 'PUT', body: 'x' })));
    expect(answers).toHaveLength(1);
    expect(await (await answers[0])?.text()).toBe('x');
    expect(asked).toEqual(['GET /media/1', 'GET /other']);
  });
});

describe('reads', () => {
  test('no more than the segments of a range, and none for HEAD', async () => {
    const bytes = await encrypt(pattern(1000 * s), { keyring, segmentSize: s });
    const body = bytes.byteLength - 1000 * (s + 16) - 16;
    const source = recording(bytes);
    const { ask } = handlerOf({ source, keyring });
    await ask({}, { method: 'HEAD' });
    expect(source.reads.splice(0)).toEqual([
      [0, 10],
      [10, body - 10],
      [body + 1000 * (s + 16), 16],
    ]);
    await bodyOf(await ask({ Range: `bytes=${500 * s + 1}-${501 * s}` }));
    expect(source.reads.splice(0)).toEqual([[body + 500 * (s + 16), 2 * (s + 16)]]);
    await ask({ Range: `bytes=${1000 * s}-` });
    expect(source.reads).toEqual([]);
  });

  test('no further than a reader goes that stops', async () => {
    const source = recording(await encrypt(pattern(2000 * s), { keyring, segmentSize: s }));
    const { ask } = handlerOf({ source, keyring });
    const { body } = await ask();
    source.reads.length = 0;
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    await reader.cancel();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(source.reads).toEqual([]);
  });

  test('no further than a request that is aborted', async () => {
    const source = recording(await encrypt(pattern(2000 * s), { keyring, segmentSize: s }));
    const { ask, errors } = handlerOf({ source, keyring });
    const abort = new AbortController();
    const { body } = await ask({}, { signal: abort.signal });
    source.reads.length = 0;
    abort.abort();
    expect((await rejection((body as ReadableStream).getReader().read())).name).toBe('AbortError');
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([source.reads, errors]).toEqual([[], []]);
  });

  test('a request that is aborted while its message is opened ends that, unless another waits for it', async () => {
    const bytes = await encrypt(pattern(s), { keyring, segmentSize: s });
    const signals: AbortSignal[] = [];
    let release = () => {};
    const source: Source = {
      size: bytes.byteLength,
      read: (offset, length, signal) =>
        new Promise((resolve, reject) => {
          signals.push(signal as AbortSignal);
          signal?.addEventListener('abort', () => reject(signal.reason));
          release = () => resolve(bytes.slice(offset, offset + length));
        }),
    };
    const { ask } = handlerOf({ source, keyring });
    const [a, b] = [new AbortController(), new AbortController()];
    const first = rejection(ask({}, { signal: a.signal }));
    const second = rejection(ask({}, { signal: b.signal }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    a.abort();
    expect((await first).name).toBe('AbortError');
    expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
    b.abort();
    expect((await second).name).toBe('AbortError');
    expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
    // And the next one starts over.
    const third = ask();
    const timer = setInterval(() => release(), 1);
    expect((await bodyOf(await third)).byteLength).toBe(s);
    clearInterval(timer);
  });
});

describe('opened messages', () => {
  test('one opening serves many requests, at once and later', async () => {
    const counted = counting();
    const { ask } = handlerOf({ source: await encrypt(pattern(9 * s), { keyring, segmentSize: s }), keyring: counted });
    await Promise.all(Array.from({ length: 20 }, (_, i) => ask({ Range: `bytes=${i}-` }).then(bodyOf)));
    await ask();
    expect(counted.unwraps).toBe(1);
  });

  test('for another keyring, context or source it is opened again: the next user gets nothing of the last one’s', async () => {
    const source = await encrypt('x', { keyring, context: { a: '1' } });
    let resource: MessageResource = { source, keyring, context: { a: '1' } };
    const { respond } = createDecryptingHandler({ match: () => resource });
    const statusNow = async () => (await respond(get()))?.status;
    expect(await statusNow()).toBe(200);
    resource = { ...resource, keyring: fastKeyring(9) };
    expect(await statusNow()).toBe(422);
    resource = { ...resource, keyring, context: { a: '2' } };
    expect(await statusNow()).toBe(422);
    resource = { source: await encrypt('x', { keyring: fastKeyring(9) }), keyring };
    expect(await statusNow()).toBe(422);
  });

  test('a detached envelope is compared by its bytes', async () => {
    const counted = counting();
    const { envelope, body } = await encrypt('x', { keyring, detached: true });
    const { respond } = createDecryptingHandler({
      match: () => ({ source: body, keyring: counted, envelope: envelope.slice() }),
    });
    await respond(get());
    expect((await respond(get()))?.status).toBe(200);
    expect(counted.unwraps).toBe(1);
  });

  test('for maxAge, and maxOpened of them, the least recently used leaving first', async () => {
    const counted = counting();
    const source = await encrypt('x', { keyring });
    let time = 0;
    const { respond } = createDecryptingHandler({
      match: () => ({ source, keyring: counted }),
      maxAge: 100_000,
      maxOpened: 2,
      now: () => time,
    });
    const unwrapsFor = async (...paths: string[]) => {
      const before = counted.unwraps;
      for (const path of paths) await respond(new Request(`${origin}/${path}`));
      return counted.unwraps - before;
    };
    expect(await unwrapsFor('a', 'b', 'a', 'b', 'a#b')).toBe(2);
    expect(await unwrapsFor('c')).toBe(1);
    expect(await unwrapsFor('a', 'c')).toBe(0);
    expect(await unwrapsFor('b')).toBe(1);
    time = 99_000;
    expect(await unwrapsFor('b')).toBe(0);
    time = 100_000;
    expect(await unwrapsFor('b')).toBe(1);
    const none = counting();
    const uncached = createDecryptingHandler({ match: () => ({ source, keyring: none }), maxOpened: 0 });
    await uncached.respond(get());
    await uncached.respond(get());
    expect(none.unwraps).toBe(2);
  });

  test('forget() forgets them and ends what reads from them', async () => {
    const counted = counting();
    const source = await encrypt(pattern(2000 * s), { keyring, segmentSize: s });
    const { ask, forget } = handlerOf({ source, keyring: counted });
    const reader = ((await ask()).body as ReadableStream<Uint8Array>).getReader();
    await reader.read();
    forget();
    const rest = (async () => {
      while (!(await reader.read()).done);
    })();
    expect((await rejection(rest)).name).toBe('AbortError');
    await ask();
    expect(counted.unwraps).toBe(2);
  });

  test('forget() also ends what match has yet to say, and no later request', async () => {
    const source = await encrypt('x', { keyring });
    const waiting: ((resource: MessageResource) => void)[] = [];
    const match = () => new Promise<MessageResource>((resolve) => waiting.push(resolve));
    const errors: unknown[] = [];
    const handler = createDecryptingHandler({ match, onError: (error) => errors.push(error) });
    const before = handler.respond(get());
    handler.forget();
    const after = handler.respond(get());
    for (const answer of waiting) answer({ source, keyring });
    expect((await before)?.status).not.toBe(200);
    expect(errors).toEqual([expect.objectContaining({ name: 'AbortError' })]);
    expect((await after)?.status).toBe(200);
  });

  test('failures are not kept', async () => {
    const source = await encrypt('x', { keyring });
    let attempts = 0;
    const flaky: Keyring = {
      ...keyring,
      unwrapDataKey: async (...args) => {
        if (++attempts === 1) throw new KeyServiceError('ERR_SERVICE_UNREACHABLE', 'no');
        return keyring.unwrapDataKey(...args);
      },
    };
    const { ask } = handlerOf({ source, keyring: flaky });
    expect((await ask()).status).toBe(503);
    expect((await ask()).status).toBe(200);
  });
});

// A URL as a source: what is asked for, what is asked for again, and what an answer must be.

import { describe, expect, inject, test, vi } from 'vitest';
import { encrypt, type OpenedMessage, open, type SourceInput } from '../../src/index.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { urlSource } from '../../src/url.ts';
import { codeOf, fastKeyring, flipBit, pattern, rejection, s } from '../support/data.ts';
import type { Seen } from '../support/range-server.ts';

const isBrowser = 'document' in globalThis;
const keyring = fastKeyring();
const segmentSize = s;

describe('open by URL', () => {
  const data = pattern(600 * s + 5);
  const sealed = encrypt(data, { keyring, segmentSize });
  let names = 0;

  /** Puts a message there, with how the server is to misbehave. */
  async function put(fault = '', body?: Uint8Array<ArrayBuffer>, host = '127.0.0.1') {
    const url = new URL(`/message-${Math.random()}-${names++}`, inject('rangeServer'));
    url.hostname = host;
    const again = async (other?: Uint8Array<ArrayBuffer>) => {
      const init = { method: 'PUT', body: other ?? body ?? (await sealed), headers: { 'x-fault': fault } };
      return fetch(url, { ...init, credentials: 'include' });
    };
    await again();
    return { url, again, log: async () => (await fetch(`${url}/log`)).json() as Promise<Seen[]> };
  }
  const retry = { delay: 1 };
  const openAndRead = async (source: SourceInput): Promise<OpenedMessage> => {
    const message = await open(source, { keyring });
    expect(await message.read(s - 2, s + 2)).toEqual(data.slice(s - 2, s + 2));
    return message;
  };

  test('reads by ranges, and only what it needs', async () => {
    const { url, log } = await put();
    const message = await openAndRead(url);
    expect(await message.read(599 * s)).toEqual(data.slice(599 * s));
    const lengths = (await log()).map(({ range }) => {
      const [first, last] = range.slice('bytes='.length).split('-').map(Number) as [number, number];
      return last - first + 1;
    });
    expect(Math.max(...lengths)).toBe(2 * (s + 16));
    expect(lengths.length).toBeLessThanOrEqual(6);
  });

  test('what is no message, or not all of one, fails as the same bytes do, and no range is asked for that is none', async () => {
    const message = await encrypt('x', { keyring });
    const empty = Uint8Array.of(...message.subarray(0, 6), 0, 0, 0, 0);
    const cuts = [1, 4, 5, 6, 9, 10, 11, message.byteLength - 18, message.byteLength - 17, message.byteLength - 1];
    const inputs = [
      empty,
      Uint8Array.of(...empty, ...new Uint8Array(100)),
      ...cuts.map((end) => message.slice(0, end)),
    ];
    for (const bytes of inputs) {
      const { url, log } = await put('', bytes);
      expect(await codeOf(open(url, { keyring }))).toBe(await codeOf(open(bytes, { keyring })));
      for (const { range } of await log()) {
        const [, first, last] = (/^bytes=(\d+)-(\d+)$/.exec(range) ?? []).map(Number) as [number, number, number];
        expect(last).toBeGreaterThanOrEqual(first);
        expect(last).toBeLessThan(bytes.byteLength);
      }
    }
  });

  test('a URL is taken when it is given', async () => {
    const { url } = await put();
    const given = new URL(url);
    const opening = open(given, { keyring });
    given.pathname = '/nothing';
    expect(await (await opening).read(0, 9)).toEqual(data.slice(0, 9));
  });

  test('a resource that changed meanwhile', async () => {
    const { url, again } = await put();
    const message = await openAndRead(url);
    await again();
    // What was read just now is at hand; a stream reads again.
    expect(await message.read(0, 1)).toEqual(data.slice(0, 1));
    expect(await codeOf(message.stream().getReader().read())).toBe('ERR_SOURCE_CHANGED');
    await again((await sealed).slice(0, 20));
    expect(await codeOf(message.stream().getReader().read())).toBe('ERR_SOURCE_CHANGED');
  });

  test('without an ETag a change is found all the same, and is no failed decryption', async () => {
    const { url, again } = await put('no-etag');
    const failures: unknown[] = [];
    const watched = observedKeyring(keyring, (event) => {
      if (event.type === 'decryption-failed') failures.push(event);
    });
    const message = await open(url, { keyring: watched });
    const { byteLength } = await sealed;
    const other = await encrypt(pattern(data.byteLength, 77), { keyring, segmentSize });
    expect(other.byteLength).toBe(byteLength);
    await again(other);
    expect(await codeOf(message.stream().getReader().read())).toBe('ERR_SOURCE_CHANGED');
    expect(failures).toEqual([]);
    // One segment that was changed is no other message.
    await again(flipBit(await sealed, (byteLength - 3 * (s + 16)) * 8));
    expect(await message.read(0, s)).toEqual(data.slice(0, s));
    expect(await codeOf(message.read(597 * s, 598 * s))).toBe('ERR_DECRYPTION_FAILED');
    expect(failures).toHaveLength(1);
  });

  test.each(['no-ranges', 'wrong-range', 'too-long', 'total=9007199254740992', `total=${'1'.repeat(400)}`])(
    'a server that misbehaves: %s',
    async (fault) => {
      const { url, log } = await put(fault);
      expect(await codeOf(open(url, { keyring }))).toBe('ERR_SOURCE_UNREADABLE');
      // Nothing of that gets better by asking again.
      expect((await log()).length).toBeLessThanOrEqual(2);
    },
  );

  test.each(['status=503,1', 'status=503,3,5', 'status=429,2,2,0', 'status=500,4', 'reset=1', 'reset=3,5'])(
    'is repeated: %s',
    async (fault) => {
      await openAndRead((await put(fault)).url);
    },
  );

  test.each(['status=503,1,99', 'reset=1,99'])('is repeated no more than it may be: %s', async (fault) => {
    for (const limit of [0, 2]) {
      const { url } = await put(fault);
      // Counted here: of a connection that was reset, browsers ask again by themselves.
      const counted = vi.fn((input: string, init: RequestInit) => fetch(input, init));
      const opening = urlSource(url, { retry: { limit, delay: 1 }, fetch: counted });
      expect(await codeOf(opening)).toBe('ERR_SOURCE_UNAVAILABLE');
      expect(counted).toHaveBeenCalledTimes(limit + 1);
    }
  });

  test('Retry-After is waited for up to a limit, and the signal ends the wait', async () => {
    const { url, log } = await put('status=503,1,99,3');
    const error = await rejection(urlSource(url, { retry: { maxRetryAfter: 2 } }));
    expect(error).toMatchObject({ code: 'ERR_SOURCE_UNAVAILABLE', status: 503, retryAfter: 3 });
    expect((await log()).length).toBe(1);
    const controller = new AbortController();
    const opening = rejection(open(url, { keyring, signal: controller.signal }));
    await vi.waitFor(async () => expect((await log()).length).toBe(2), 60_000);
    const reason = new Error('enough');
    controller.abort(reason);
    expect(await opening).toBe(reason);
    expect((await log()).length).toBe(2);
  });

  test('a connection that breaks off in the middle: what came is kept, and the rest asked for', async () => {
    /** Asks the server to cut an answer off once ten bytes of it are here: Chromium drops what it has not handed out by then. */
    const cutOff = async (input: string, init: RequestInit) => {
      const response = await fetch(input, init);
      const tap = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, controller) {
          controller.enqueue(chunk);
          if (chunk.byteLength === 10) void fetch(`${input}/cut`);
        },
      });
      return new Response(response.body?.pipeThrough(tap), response);
    };
    const { url, log } = await put('breaks-off=5');
    const message = await open(await urlSource(url, { retry: { delay: 0 }, fetch: cutOff }), { keyring });
    const before = (await log()).length;
    expect(before).toBe(4);
    expect(await codeOf(message.read(0, 9))).toBe('ERR_SOURCE_UNAVAILABLE');
    const starts = (await log()).slice(before).map(({ range }) => Number(/=(\d+)/.exec(range)?.[1]));
    expect(starts.map((start) => start - (starts[0] as number))).toEqual([0, 10, 20, 30]);
    const other = await put('breaks-off=3');
    const source = await urlSource(other.url, { retry: { limit: 9, delay: 0 }, fetch: cutOff });
    expect(await source.read(10, 85)).toEqual((await sealed).slice(10, 95));
  });

  test('an answer that stalls is given up, and asked for again', async () => {
    const { url } = await put('stalls=2');
    const source = await urlSource(url, { retry, timeout: 2_000 });
    expect(await source.read(0, 50)).toEqual((await sealed).slice(0, 50));
    const other = await urlSource((await put('stalls=2')).url, { retry: { limit: 0 }, timeout: 2_000 });
    expect(await codeOf(other.read(0, 50))).toBe('ERR_SOURCE_UNAVAILABLE');
  });

  test.each([
    [401, 'ERR_SOURCE_UNAUTHORIZED'],
    [403, 'ERR_SOURCE_FORBIDDEN'],
    [404, 'ERR_SOURCE_NOT_FOUND'],
    [410, 'ERR_SOURCE_NOT_FOUND'],
    [416, 'ERR_SOURCE_UNREADABLE'],
    [400, 'ERR_SOURCE_UNREADABLE'],
  ])('status %i says so, and is final', async (status, code) => {
    for (const from of [1, 5]) {
      const { url, log } = await put(`status=${status},${from},99`);
      const error = await rejection(open(url, { keyring }).then((message) => message.read(0, 9)));
      expect(error).toMatchObject({
        name: 'SourceError',
        status,
        code: from > 1 && status === 416 ? 'ERR_SOURCE_CHANGED' : code,
      });
      expect(error.message).toContain(String(status));
      expect((await log()).length).toBe(from);
    }
  });

  test('headers are asked for before every request, repetitions included', async () => {
    const { url, log } = await put('bearer status=503,3');
    let token = 0;
    const headers = async () => ({ Authorization: `Bearer ${++token}` });
    await openAndRead(await urlSource(url, { headers, retry }));
    const seen = await log();
    expect(seen.map(({ authorization }) => authorization)).toEqual(seen.map((_, i) => `Bearer ${i + 1}`));
    const fixed: Record<string, string> = { 'X-Own': 'mine' };
    const other = await put();
    const opening = urlSource(other.url, { headers: fixed });
    fixed['X-Own'] = 'changed';
    await openAndRead(await opening);
    expect(new Set((await other.log()).map(({ own }) => own))).toEqual(new Set(['mine']));
  });

  test('what headers fail with is the error; headers that hang end with the time or the signal', async () => {
    const { url, log } = await put();
    const broken = new Error('the session has ended');
    const throwing = () => {
      throw broken;
    };
    for (const headers of [throwing, async () => throwing()]) {
      expect(await rejection(urlSource(url, { headers }))).toBe(broken);
    }
    const hanging = () => new Promise<never>(() => {});
    expect(await rejection(urlSource(url, { headers: hanging, timeout: 20 }))).toMatchObject({ name: 'TimeoutError' });
    const controller = new AbortController();
    const opening = rejection(urlSource(url, { headers: hanging, signal: controller.signal }));
    controller.abort(broken);
    expect(await opening).toBe(broken);
    expect(await log()).toEqual([]);
  });

  test('neither headers nor cookies follow a redirect', async () => {
    const target = await put();
    const elsewhere = new URL(target.url.pathname, inject('otherRangeServer'));
    for (const to of [elsewhere, target.url]) {
      const { url } = await put(`to=${to}`);
      for (const options of [
        { headers: { Authorization: 'Bearer secret' } },
        { headers: async () => ({ 'X-Own': 'secret' }) },
        { credentials: 'include' as const },
      ]) {
        expect(await codeOf(urlSource(url, options))).toBe('ERR_SOURCE_REDIRECTED');
      }
    }
    expect(await target.log()).toEqual([]);
    // With nothing that could leak it is followed, as ever.
    await openAndRead((await put(`to=${elsewhere}`)).url);
    expect(
      (await target.log()).every(({ own, authorization }) => own === undefined && authorization === undefined),
    ).toBe(true);
  });

  test.runIf(isBrowser)('cookies of another origin are sent where that is asked for', async () => {
    // Another port of the page's own host: another origin of the same site, whose cookies no browser holds back.
    const { url, log } = await put('', undefined, globalThis.location.hostname);
    await openAndRead(await urlSource(url, { credentials: 'include' }));
    await openAndRead(await urlSource(url, { credentials: 'omit' }));
    const cookies = (await log()).map(({ cookie }) => cookie?.includes('signed=yes') ?? false);
    expect(cookies).toEqual(cookies.map((_, i) => i < cookies.length / 2));
  });

  test('nodes whose ETags differ: refused, and by choice accepted', async () => {
    const { url, again } = await put('node-etags');
    expect(await codeOf(open(url, { keyring }))).toBe('ERR_SOURCE_CHANGED');
    const message = await openAndRead(await urlSource(url, { identity: 'content' }));
    await again(await encrypt(pattern(data.byteLength, 77), { keyring, segmentSize }));
    expect(await codeOf(message.stream().getReader().read())).toBe('ERR_SOURCE_CHANGED');
    await again((await sealed).slice(0, -1));
    expect(await codeOf(message.stream().getReader().read())).toBe('ERR_SOURCE_CHANGED');
  });

  test('nothing there, nobody there, and an abort', async () => {
    expect(await codeOf(open(new URL('/nothing', inject('rangeServer')), { keyring }))).toBe('ERR_SOURCE_NOT_FOUND');
    const nobody = new URL('http://127.0.0.1:1/?signature=secret');
    const error = await rejection(urlSource(nobody, { retry }));
    expect(error.code).toBe('ERR_SOURCE_UNAVAILABLE');
    expect(error.message).not.toContain('secret');
    const { url } = await put();
    const reason = new Error('enough');
    await expect(open(url, { keyring, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  test.each([
    ['headers', { headers: { Range: 'bytes=0-' } }],
    ['headers', { headers: new URLSearchParams('a=b') }],
    ['headers', { headers: new Map([['a', 'b']]) }],
    ['headers', { headers: { 'X-Own': 7 } }],
    ['credentials', { credentials: 'yes' }],
    ['identity', { identity: 'size' }],
    ['timeout', { timeout: 0 }],
    ['limit', { retry: { limit: 11 } }],
    ['fetch', { fetch: 'fetch' }],
    ['signal', { signal: {} }],
    ['bogus', { bogus: 1 }],
    ['options', new Map()],
  ])('a wrong option is named: %s', async (name, options) => {
    const { url, log } = await put();
    const error = await rejection(urlSource(url, options as never));
    expect(error).toBeInstanceOf(TypeError);
    expect(error.message).toContain(name);
    expect(await log()).toEqual([]);
  });

  test('a wrong URL is named', async () => {
    for (const url of ['http://127.0.0.1/', new URL('http://user:secret@127.0.0.1/')] as never as URL[]) {
      const error = await rejection(urlSource(url));
      expect(error).toBeInstanceOf(TypeError);
      expect(error.message).not.toContain('secret');
    }
  });
});

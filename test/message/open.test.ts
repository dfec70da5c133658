import { describe, expect, inject, test, vi } from 'vitest';
import { encrypt, type OpenedMessage, open, type Source, type SourceInput, toText } from '../../src/index.ts';
import { observedKeyring } from '../../src/keyrings/observed.ts';
import { urlSource } from '../../src/url.ts';
import { boundarySizes, codeOf, collect, fastKeyring, flipBit, pattern, rejection, s } from '../support/data.ts';
import type { Seen } from '../support/range-server.ts';

const isBrowser = 'document' in globalThis;
const keyring = fastKeyring();
const segmentSize = s;

/** A source that writes down what it is asked for. */
function recording(bytes: Uint8Array): Source & { reads: [number, number][] } {
  const reads: [number, number][] = [];
  return {
    reads,
    size: bytes.byteLength,
    async read(offset, length) {
      reads.push([offset, length]);
      return bytes.slice(offset, offset + length);
    },
  };
}

describe('open', () => {
  test.each(boundarySizes)('§6.6 %i bytes: every range around the boundaries', async (size) => {
    const data = pattern(size, size + 2);
    const message = await open(await encrypt(data, { keyring, segmentSize }), { keyring });
    expect(message.size).toBe(size);
    const edges = [0, 1, s - 1, s, s + 1, 2 * s, size - 1, size, size + 1].filter((edge) => edge >= 0);
    for (const start of edges) {
      for (const end of edges) {
        expect(await message.read(start, end)).toEqual(data.slice(start, end));
        expect(await collect(message.stream({ start, end }))).toEqual(data.slice(start, end));
      }
    }
    expect(await message.read()).toEqual(data);
  });

  test('a Blob is known by what it can do, whatever its tag says', async () => {
    const blob = new Blob([await encrypt(pattern(s), { keyring })]);
    const { size } = blob;
    const other = { size, slice: blob.slice.bind(blob), arrayBuffer: blob.arrayBuffer.bind(blob) } as unknown as Blob;
    expect((await open(other, { keyring })).size).toBe(s);
  });

  test('bytes, text, Blob, File, a source, and a detached body', async () => {
    const data = pattern(3 * s + 1);
    const message = await encrypt(data, { keyring, segmentSize, contentType: 'a/b' });
    const { envelope, body } = await encrypt(data, { keyring, segmentSize, detached: true });
    const sources = [message, toText(message), new Blob([message]), new File([message], 'm.bulla'), recording(message)];
    for (const source of sources) {
      const opened = await open(source, { keyring });
      expect(await opened.read(s - 1, s + 1)).toEqual(data.slice(s - 1, s + 1));
      expect(opened.header.contentType).toBe('a/b');
    }
    for (const given of [envelope, toText(envelope)]) {
      expect(await (await open(body, { keyring, envelope: given })).read()).toEqual(data);
    }
    expect(await codeOf(open(body, { keyring }))).toBe('ERR_NOT_A_MESSAGE');
    expect(await codeOf(open(message, { keyring, envelope }))).toBe('ERR_NOT_A_MESSAGE');
  });

  test('reads the segments that a range touches and no others', async () => {
    const source = recording(await encrypt(pattern(1000 * s), { keyring, segmentSize }));
    const message = await open(source, { keyring });
    const body = source.size - 1000 * (s + 16) - 16;
    expect(source.reads.splice(0)).toEqual([
      [0, 10],
      [10, body - 10],
      [body + 1000 * (s + 16), 16],
    ]);
    await message.read(500 * s + 1, 501 * s + 1);
    expect(source.reads.splice(0)).toEqual([[body + 500 * (s + 16), 2 * (s + 16)]]);
    const reader = message.stream({ start: 10 * s }).getReader();
    await reader.read();
    await reader.cancel();
    expect(source.reads).toHaveLength(1);
    expect((source.reads[0] as [number, number])[1]).toBeLessThanOrEqual(2 ** 20 + 300 * 16);
  });

  test('§6.6 a cut message never opens, though its first segments would', async () => {
    const message = await encrypt(pattern(4 * s + 5), { keyring, segmentSize });
    const front = message.byteLength - 4 * (s + 16) - 21;
    for (let segments = 0; segments <= 4; segments++) {
      for (const extra of [0, 1, 15, 16, 17]) {
        const cut = message.slice(0, front + segments * (s + 16) + extra);
        expect(await codeOf(open(cut, { keyring }))).toBe('ERR_DECRYPTION_FAILED');
      }
    }
  });

  test('§6.4 a changed segment fails alone', async () => {
    const data = pattern(4 * s);
    const bytes = await encrypt(data, { keyring, segmentSize });
    const message = await open(flipBit(bytes, (bytes.byteLength - 3 * (s + 16)) * 8), { keyring });
    expect(await message.read(0, s)).toEqual(data.slice(0, s));
    expect(await message.read(2 * s, 4 * s)).toEqual(data.slice(2 * s));
    expect(await codeOf(message.read(s, s + 1))).toBe('ERR_DECRYPTION_FAILED');
    expect(await codeOf(collect(message.stream()))).toBe('ERR_DECRYPTION_FAILED');
  });

  test('many reads at once do not disturb each other', async () => {
    const data = pattern(20 * s);
    const message = await open(await encrypt(data, { keyring, segmentSize }), { keyring });
    const starts = Array.from({ length: 40 }, (_, i) => i * 1999);
    const parts = await Promise.all(starts.map((start) => message.read(start, start + 3000)));
    expect(parts).toEqual(starts.map((start) => data.slice(start, start + 3000)));
  });

  test('wrong arguments and wrong sources', async () => {
    const bytes = await encrypt(pattern(9), { keyring });
    const message = await open(bytes, { keyring });
    for (const [start, end] of [
      [-1, 5],
      [0, -1],
      [0.5, 1],
      [0, Number.NaN],
      ['0', 1],
    ] as never as [number, number][]) {
      await expect(message.read(start, end)).rejects.toThrow(TypeError);
      expect(() => message.stream({ start, end })).toThrow(TypeError);
    }
    expect(() => message.stream({ from: 1 } as never)).toThrow(/unknown option "from"/);
    for (const source of [
      undefined,
      null,
      7,
      {},
      { size: 9 },
      { read() {} },
      { size: -1, read() {} },
      new ArrayBuffer(9),
    ]) {
      await expect(open(source as never, { keyring })).rejects.toThrow(TypeError);
    }
    expect(await codeOf(open('https://example.com/', { keyring }))).toBe('ERR_NOT_A_MESSAGE');
    await expect(open(bytes, { keyring, detached: true } as never)).rejects.toThrow(/unknown option/);
    const lying = {
      size: bytes.byteLength,
      read: async (offset: number, length: number) => bytes.slice(offset, offset + length - 1),
    };
    expect(await codeOf(open(lying, { keyring }))).toBe('ERR_SOURCE_UNREADABLE');
    expect(await codeOf(open({ size: 30, read: async (o, l) => bytes.slice(o, o + l) }, { keyring }))).toBe(
      'ERR_TRUNCATED',
    );
    expect(await codeOf(open(new Uint8Array(0), { keyring }))).toBe('ERR_NOT_A_MESSAGE');
  });

  test('a signal ends reads as well', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    const message = await open(await encrypt(pattern(9), { keyring }), { keyring, signal: controller.signal });
    controller.abort(reason);
    await expect(message.read()).rejects.toBe(reason);
    await expect(collect(message.stream())).rejects.toBe(reason);
  });
});

describe('a stream of part of a message', () => {
  const data = pattern(600 * s);

  test('cancelled: ends at once, and so does the read that hangs', async () => {
    const bytes = await encrypt(data, { keyring, segmentSize });
    let hanging: AbortSignal | undefined;
    const source: Source = {
      size: bytes.byteLength,
      async read(offset, length, signal) {
        if (hanging !== undefined || length < 100_000) return bytes.slice(offset, offset + length);
        hanging = signal;
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      },
    };
    const controller = new AbortController();
    const message = await open(source, { keyring, signal: controller.signal });
    const reader = message.stream().getReader();
    const read = reader.read();
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(hanging?.aborted).toBe(false);
    const reason = new Error('seeks elsewhere');
    await reader.cancel(reason);
    expect(await read).toEqual({ done: true, value: undefined });
    expect(hanging?.reason).toBe(reason);
    // The message itself goes on.
    expect(await collect(message.stream({ start: 5, end: s + 5 }))).toEqual(data.slice(5, s + 5));
    expect(controller.signal.aborted).toBe(false);
  });

  test('aborted by the signal of the message', async () => {
    const bytes = await encrypt(data, { keyring, segmentSize });
    const controller = new AbortController();
    let hangs = false;
    const source: Source = {
      size: bytes.byteLength,
      async read(offset, length, signal) {
        if (!hangs) return bytes.slice(offset, offset + length);
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      },
    };
    const message = await open(source, { keyring, signal: controller.signal });
    hangs = true;
    const all = collect(message.stream());
    const reason = new Error('enough');
    setTimeout(() => controller.abort(reason));
    await expect(all).rejects.toBe(reason);
  });

  test('its chunks hold nothing but the part', async () => {
    const message = await open(await encrypt(data, { keyring, segmentSize }), { keyring });
    const reader = message.stream({ start: s - 2, end: 2 * s + 3 }).getReader();
    for (const length of [2, s, 3]) {
      const { value } = await reader.read();
      expect([value?.byteLength, value?.buffer.byteLength]).toEqual([length, length]);
    }
  });
});

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
    // What was read just now is at hand; a stream reads anew.
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

describe('reads near each other', () => {
  const length = 40 * s + 9;
  const plaintext = pattern(length, 5);

  /** An opened message, and what was read of its source. */
  async function opened() {
    const message = await encrypt(plaintext, { keyring: fastKeyring(), segmentSize: s });
    const reads: number[] = [];
    const source = {
      size: message.byteLength,
      async read(offset: number, count: number) {
        reads.push(count);
        return message.slice(offset, offset + count);
      },
    };
    const result = await open(source, { keyring: fastKeyring() });
    reads.length = 0;
    return { result, reads };
  }

  test('cost one read of a segment, and the last segment none', async () => {
    const { result, reads } = await opened();
    expect(await result.read(100, 200)).toEqual(plaintext.slice(100, 200));
    expect(await result.read(200, 4000)).toEqual(plaintext.slice(200, 4000));
    expect(await result.read(length - 5)).toEqual(plaintext.slice(-5));
    expect(reads).toEqual([s + 16]);
  });

  test('what is given out is the caller’s: changing it changes nothing', async () => {
    const { result } = await opened();
    (await result.read(0, 50)).fill(0);
    for await (const chunk of result.stream({ start: 0, end: 50 })) chunk.fill(0);
    expect(await result.read(0, 50)).toEqual(plaintext.slice(0, 50));
  });

  test('no more than a mebibyte is kept', async () => {
    const big = pattern(12 * 2 ** 18, 3);
    const message = await encrypt(big, { keyring: fastKeyring() });
    let count = 0;
    const read = async (offset: number, bytes: number) => {
      count++;
      return message.slice(offset, offset + bytes);
    };
    const result = await open({ size: message.byteLength, read }, { keyring: fastKeyring() });
    for (let i = 0; i < 5; i++) await result.read(i * 2 ** 18, i * 2 ** 18 + 1);
    count = 0;
    await result.read(2 ** 20, 2 ** 20 + 1);
    expect(count).toBe(0);
    await result.read(0, 1);
    expect(count).toBe(1);
  });

  test('a stream whose consumer takes one chunk and leaves has read one batch', async () => {
    const big = pattern(12 * 2 ** 18, 3);
    const message = await encrypt(big, { keyring: fastKeyring() });
    let count = 0;
    const read = async (offset: number, bytes: number) => {
      count++;
      return message.slice(offset, offset + bytes);
    };
    const result = await open({ size: message.byteLength, read }, { keyring: fastKeyring() });
    count = 0;
    const reader = result.stream().getReader();
    await reader.read();
    expect(count).toBe(1);
    await reader.read();
    expect(count).toBe(2);
    await reader.read();
    expect(count).toBe(2);
    await reader.cancel();
  });
});

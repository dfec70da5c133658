import { describe, expect, test } from 'vitest';
import { encrypt, open, type Source, toText } from '../../src/index.ts';
import { boundarySizes, codeOf, collect, fastKeyring, flipBit, pattern, s } from '../support/data.ts';
import { recording } from '../support/sources.ts';

const keyring = fastKeyring();
const segmentSize = s;

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

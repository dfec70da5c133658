import { describe, expect, test } from 'vitest';
import { type Bytes, decrypt, decryptStream, encrypt, encryptStream, reencrypt } from '../../src/index.ts';
import { convertBatch } from '../../src/workers/convert.ts';
import {
  assertSameBytes,
  boundarySizes,
  codeOf,
  collect,
  fastKeyring,
  flipBit,
  pattern,
  rejection,
  s,
  seededRandom,
  streamOf,
} from '../support/data.ts';
import { batchesBy, segmentWorkers } from '../support/workers.ts';

const keyring = fastKeyring();
const workers = segmentWorkers();
const batch = 2 ** 21;
/** Around the ends of segments and of batches. */
const sizes = [...boundarySizes, batch - 1, batch, batch + 1, 2 * batch + s + 7];
const now = () => 1_700_000_000_000;

describe('streams by workers', () => {
  test.each(sizes)('§6 %i bytes: the same bytes as without, both ways', async (size) => {
    const data = pattern(size, size + 3);
    const encrypted = (options: object) =>
      collect(
        streamOf(data, 70_001, 3, 1_000_000).pipeThrough(
          encryptStream({ keyring, segmentSize: s, random: seededRandom(size), now, ...options }),
        ),
      );
    const message = await encrypted({ workers });
    assertSameBytes(message, await encrypted({}));
    assertSameBytes((await decrypt(message, { keyring })).plaintext, data);
    const opened = streamOf(message, 33, 500_009).pipeThrough(decryptStream({ keyring, workers }));
    assertSameBytes(await collect(opened), data);
  });

  test.each([2 ** 18, 2 ** 21, 2 ** 22])('§6.1 segments of %i bytes', async (segmentSize) => {
    const data = pattern(2 * segmentSize + 5);
    const sealing = encryptStream({ keyring, segmentSize, workers });
    const message = await collect(streamOf(data, 1_000_003).pipeThrough(sealing));
    const opening = decryptStream({ keyring, workers });
    assertSameBytes(await collect(streamOf(message, 999_983).pipeThrough(opening)), data);
  });

  test('§1.5 detached, and re-encrypted', async () => {
    const data = pattern(3 * s);
    const sealing = encryptStream({ keyring, segmentSize: s, detached: true, workers });
    const body = await collect(streamOf(data, 500).pipeThrough(sealing));
    const envelope = await sealing.envelope;
    const opened = streamOf(body, 7).pipeThrough(decryptStream({ keyring, envelope, workers }));
    expect(await collect(opened)).toEqual(data);
    const message = await encrypt(data, { keyring, segmentSize: s });
    const renewed = reencrypt(streamOf(message, 9_999), { from: keyring, to: fastKeyring(8), workers });
    expect((await decrypt(await collect(renewed), { keyring: fastKeyring(8) })).plaintext).toEqual(data);
  });

  test('progress counts plaintext bytes, both ways', async () => {
    const data = pattern(2 * batch + 100);
    const seen: number[] = [];
    const onProgress = (bytes: number) => seen.push(bytes);
    const message = await collect(streamOf(data, batch).pipeThrough(encryptStream({ keyring, workers, onProgress })));
    expect(seen.at(-1)).toBe(data.byteLength);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    seen.length = 0;
    await collect(streamOf(message, batch).pipeThrough(decryptStream({ keyring, workers, onProgress })));
    expect(seen.at(-1)).toBe(data.byteLength);
  });

  test('a writer may use its chunk again once it was written', async () => {
    const stream = encryptStream({ keyring, segmentSize: s, workers });
    const result = collect(stream.readable);
    const writer = stream.writable.getWriter();
    const chunk = new Uint8Array(300_000);
    for (let i = 0; i < 20; i++) await writer.write(chunk.fill(i));
    await writer.close();
    const { plaintext } = await decrypt(await result, { keyring });
    for (let i = 0; i < 20; i++) {
      expect(plaintext.subarray(i * 300_000, (i + 1) * 300_000).every((byte) => byte === i)).toBe(true);
    }
  });

  test('several streams share them', async () => {
    const data = Array.from({ length: 6 }, (_, i) => pattern(batch + i * 1000, i + 1));
    const messages = await Promise.all(
      data.map((bytes) => collect(streamOf(bytes, 100_000).pipeThrough(encryptStream({ keyring, workers })))),
    );
    const opened = await Promise.all(
      messages.map((message) => collect(streamOf(message, 100_000).pipeThrough(decryptStream({ keyring, workers })))),
    );
    for (const [i, bytes] of opened.entries()) assertSameBytes(bytes, data[i] as Uint8Array);
  });

  test('back-pressure: a reader that waits holds the writer up', async () => {
    let pulled = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        pulled++;
        controller.enqueue(new Uint8Array(batch));
      },
    });
    const reader = endless.pipeThrough(encryptStream({ keyring, workers })).getReader();
    for (let i = 0; i < 3; i++) await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(pulled).toBeLessThan(20);
    await reader.cancel();
  });
});

describe('streams by workers that fail', () => {
  test('§6.4 what came out before the failure is authentic, and the end is missing', async () => {
    const data = pattern(2 * batch);
    const message = await encrypt(data, { keyring, segmentSize: s });
    for (const place of [1, 3, 700]) {
      const bad = flipBit(message, (message.byteLength - place * (s + 16) + 20) * 8);
      const seen: Uint8Array[] = [];
      const reader = streamOf(bad, 70_000).pipeThrough(decryptStream({ keyring, workers })).getReader();
      const error = await rejection(
        (async () => {
          for (let part = await reader.read(); !part.done; part = await reader.read()) seen.push(part.value);
        })(),
      );
      expect(error.code).toBe('ERR_DECRYPTION_FAILED');
      const released = await new Blob(seen as Uint8Array<ArrayBuffer>[]).arrayBuffer();
      expect(released.byteLength % s).toBe(0);
      assertSameBytes(new Uint8Array(released), data.subarray(0, released.byteLength));
    }
  });

  test.each([0, 3 * s, batch, 2 * batch])('§6.5 %i bytes: a cut at a segment boundary is a failure', async (size) => {
    const message = await encrypt(pattern(size), { keyring, segmentSize: s });
    for (const bytes of [16, 1, 17, s]) {
      if (size === 0 && bytes > 16) continue;
      const opening = decryptStream({ keyring, workers });
      const cut = message.slice(0, message.byteLength - bytes);
      expect(await codeOf(collect(streamOf(cut, 65_000).pipeThrough(opening)))).toBe('ERR_DECRYPTION_FAILED');
    }
  });

  test('§6.3 nothing can be appended', async () => {
    const message = await encrypt(pattern(batch), { keyring, segmentSize: s });
    for (const extra of [1, 16, 17, s + 16]) {
      const longer = new Uint8Array([...message, ...pattern(extra)]);
      const opening = decryptStream({ keyring, workers });
      expect(await codeOf(collect(streamOf(longer, 65_000).pipeThrough(opening)))).toBe('ERR_DECRYPTION_FAILED');
    }
  });

  test('§6.5 whatever a worker leaves out or changes in length, the stream fails', async () => {
    const data = pattern(2 * batch + 5);
    const message = await encrypt(data, { keyring, segmentSize: 2 ** 16 });
    const lies: ((results: readonly Bytes[]) => readonly Bytes[])[] = [
      () => [],
      (results) => results.slice(1),
      (results) => results.slice(0, -1),
      (results) => [...results, new Uint8Array(0)],
      (results) => results.map((result) => result.subarray(0, 1)),
      (results) => [...results.slice(0, -1), new Uint8Array(1)],
    ];
    for (const lie of lies) {
      for (const at of [0, 1, 2]) {
        const lying = () => {
          let batches = 0;
          return batchesBy(async (work) => {
            const { results, ...rest } = await convertBatch(work);
            return { ...rest, results: batches++ === at ? lie(results) : results };
          });
        };
        for (const [chunks, stream] of [
          [message, decryptStream({ keyring, workers: lying() })],
          [data, encryptStream({ keyring, segmentSize: 2 ** 16, workers: lying() })],
        ] as const) {
          const work = collect(streamOf(chunks, 500_000).pipeThrough(stream));
          expect(await codeOf(work)).toBe('ERR_WORKER_FAILED');
        }
      }
    }
  });

  test('a buffer that comes back with another length is not used again', async () => {
    const other = batchesBy(async (work) => ({ ...(await convertBatch(work)), buffer: new ArrayBuffer(3) }));
    const data = pattern(9 * batch + 5);
    const stream = streamOf(data, 500_000).pipeThrough(encryptStream({ keyring, workers: other }));
    assertSameBytes((await decrypt(await collect(stream), { keyring })).plaintext, data);
  });

  test('abort and cancel reach both sides', async () => {
    const reason = new Error('enough');
    const controller = new AbortController();
    let cancelled: unknown;
    const endless = () =>
      new ReadableStream<Uint8Array>({
        pull: (source) => source.enqueue(new Uint8Array(300_000)),
        cancel(why) {
          cancelled = why;
        },
      });
    const aborted = endless()
      .pipeThrough(encryptStream({ keyring, workers, signal: controller.signal }))
      .getReader();
    await aborted.read();
    controller.abort(reason);
    await expect(aborted.closed).rejects.toBe(reason);
    const reader = endless().pipeThrough(encryptStream({ keyring, workers })).getReader();
    await reader.read();
    await reader.cancel(reason);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(cancelled).toBe(reason);
  });

  test('what is no pool is refused by name', () => {
    for (const wrong of [null, 3, {}, { pipe: 1 }]) {
      expect(() => encryptStream({ keyring, workers: wrong } as never)).toThrow(/^workers must be a pool of workers/);
      expect(() => decryptStream({ keyring, workers: wrong } as never)).toThrow(TypeError);
    }
  });
});

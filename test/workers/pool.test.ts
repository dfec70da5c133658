import { describe, expect, test } from 'vitest';
import { decrypt, decryptStream, encryptStream } from '../../src/index.ts';
import { createWorkerPool, type WorkerLike } from '../../src/workers.ts';
import { assertSameBytes, codeOf, collect, fastKeyring, pattern, rejection, streamOf } from '../support/data.ts';
import { hasWorkers } from '../support/workers.ts';

const keyring = fastKeyring();
const data = pattern(5_000_000);
const realWorker = () => new Worker(new URL('../../src/segment-worker.ts', import.meta.url), { type: 'module' });
const encrypted = (workers: ReturnType<typeof createWorkerPool>) =>
  collect(streamOf(data, 100_000).pipeThrough(encryptStream({ keyring, workers })));

describe('options', () => {
  test('a wrong one is refused by name', () => {
    for (const size of [0, 17, 1.5, '2']) {
      expect(() => createWorkerPool({ size } as never)).toThrow(/^size must be/);
    }
    expect(() => createWorkerPool({ createWorker: 1 } as never)).toThrow(/^createWorker must be a function/);
    expect(() => createWorkerPool({ sise: 1 } as never)).toThrow(/unknown option "sise"/);
  });
});

const inBrowsers = hasWorkers ? describe : () => {};
const elsewhere = hasWorkers ? () => {} : describe;

elsewhere('a runtime without workers', () => {
  test('says so, with a code', () => {
    expect(() => createWorkerPool()).toThrow(expect.objectContaining({ code: 'ERR_WORKER_FAILED' }));
  });
});

inBrowsers('a pool', () => {
  test('starts workers when there is work, and no more than it may', async () => {
    const started: Worker[] = [];
    const workers = createWorkerPool({
      size: 2,
      createWorker: () => {
        const worker = realWorker();
        started.push(worker);
        return worker;
      },
    });
    expect(started.length).toBe(0);
    assertSameBytes((await decrypt(await encrypted(workers), { keyring })).plaintext, data);
    await Promise.all([encrypted(workers), encrypted(workers), encrypted(workers)]);
    expect(started.length).toBe(2);
    workers.close();
  });

  test('gives workers keys that cannot be exported, and nothing of an envelope', async () => {
    const messages: Record<string, unknown>[] = [];
    const workers = createWorkerPool({
      size: 1,
      createWorker: () => {
        const worker = realWorker();
        const { postMessage } = worker;
        return Object.assign(worker, {
          postMessage(message: Record<string, unknown>, transfer: Transferable[]) {
            messages.push(message);
            postMessage.call(worker, message, { transfer });
          },
        });
      },
    });
    const message = await encrypted(workers);
    await collect(streamOf(message, 100_000).pipeThrough(decryptStream({ keyring, workers })));
    const usages = messages.map(({ key }) => (key as CryptoKey).usages.join());
    expect(new Set(usages)).toEqual(new Set(['encrypt', 'decrypt']));
    for (const sent of messages) {
      expect(Object.keys(sent).sort()).toEqual(
        ['buffer', 'direction', 'first', 'id', 'isLast', 'key', 'length', 'pieceLength'].sort(),
      );
      expect((sent['key'] as CryptoKey).extractable).toBe(false);
      expect((sent['buffer'] as ArrayBuffer).byteLength).toBe(0);
    }
    workers.close();
  });

  test('closed: what was under way and what comes later fail with a code', async () => {
    const workers = createWorkerPool({ size: 1 });
    const endless = new ReadableStream<Uint8Array>({ pull: (source) => source.enqueue(new Uint8Array(1_000_000)) });
    const reader = endless.pipeThrough(encryptStream({ keyring, workers })).getReader();
    await reader.read();
    workers.close();
    const error = await rejection(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    );
    expect(error.code).toBe('ERR_WORKER_FAILED');
    expect(await codeOf(encrypted(workers))).toBe('ERR_WORKER_FAILED');
    workers.close();
  });
});

inBrowsers('a worker that fails', () => {
  const script = (text: string) =>
    new Worker(URL.createObjectURL(new Blob([text], { type: 'text/javascript' })), { type: 'module' });
  const failures: [string, () => WorkerLike, RegExp][] = [
    ['that is not there', () => new Worker('/no-such-worker.js', { type: 'module' }), /could not be loaded|broke down/],
    ['that throws as it starts', () => script('throw new Error("no")'), /broke down/],
    ['that throws when it is given work', () => script('onmessage = () => { throw new Error("no") }'), /broke down/],
    [
      'that answers with a failure',
      () => script('onmessage = ({ data }) => postMessage({ id: data.id, failure: "no" })'),
      /A worker failed: no/,
    ],
    [
      'that cannot be made',
      () => {
        throw new Error('forbidden');
      },
      /could not be started: Error: forbidden/,
    ],
  ];

  test.each(failures)(
    '%s: the stream fails with a code, and the next one has another worker',
    async (_, create, words) => {
      let calls = 0;
      const workers = createWorkerPool({ size: 1, createWorker: () => (calls++ === 0 ? create() : realWorker()) });
      const error = await rejection(encrypted(workers));
      expect(error).toMatchObject({ name: 'WorkerError', code: 'ERR_WORKER_FAILED' });
      expect(error.message).toMatch(words);
      // One that answers is taken for whole, whatever it answers.
      if (words.source.includes('failed:')) return workers.close();
      assertSameBytes((await decrypt(await encrypted(workers), { keyring })).plaintext, data);
      workers.close();
    },
  );
});

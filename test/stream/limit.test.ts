// §6.7: the longest message cannot be made here, so its limit is put where a test can reach it.

import { expect, test, vi } from 'vitest';
import { decryptStream, encrypt, encryptStream } from '../../src/index.ts';
import { codeOf, collect, fastKeyring, pattern, s, streamOf } from '../support/data.ts';
import { segmentWorkers } from '../support/workers.ts';

/** The plaintext bytes of segments that were judged. */
const judged = vi.hoisted((): number[] => []);

vi.mock('../../src/stream/geometry.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/stream/geometry.ts')>();
  return {
    ...original,
    // The last segment that may be is the third.
    assertSegment: (index: number, segmentSize: number, length: number) => {
      judged.push(length);
      original.assertSegment(index < 3 ? index : 2 ** 32, segmentSize, length);
    },
  };
});

const keyring = fastKeyring();

test.each([
  ['on this thread', undefined],
  ['by workers', segmentWorkers()],
])('§6.7 no stream goes beyond the last index that a nonce can hold, %s', async (_, workers) => {
  judged.length = 0;
  for (const [length, code] of [
    [2 * s + 1, undefined],
    [3 * s, 'ERR_LIMIT_EXCEEDED'],
  ] as const) {
    const data = pattern(length);
    const message = await encrypt(data, { keyring, segmentSize: s });
    const sealing = collect(streamOf(data, 1_000).pipeThrough(encryptStream({ keyring, segmentSize: s, workers })));
    const opening = collect(streamOf(message, 1_000).pipeThrough(decryptStream({ keyring, workers })));
    if (code === undefined) {
      expect([await opening, (await sealing).byteLength]).toEqual([data, message.byteLength]);
      // The last segments of both; before them full ones, of which workers judge the last of a batch.
      expect(judged.filter((each) => each !== s)).toEqual([1, 1]);
    } else expect(await Promise.all([codeOf(opening), codeOf(sealing)])).toEqual([code, code]);
  }
});

// A page that does nothing but let much through a stream, for its memory.

import { encryptStream } from 'bulla';
import { aesKeyring } from 'bulla/keyrings/aes';
import { createWorkerPool } from 'bulla/workers';
import { chunksOf, drain, makeNoise, streamOf } from '../lib/payload.ts';

const workers = createWorkerPool({ size: 2, createWorker: () => new Worker('own-worker.js', { type: 'module' }) });

/** So many bytes through a stream, nothing kept. */
async function through(bytes: number, byWorkers: boolean): Promise<number> {
  const keyring = aesKeyring({ keyId: 'bench', key: makeNoise(32) });
  const options = byWorkers ? { keyring, workers } : { keyring };
  return drain(streamOf(chunksOf(bytes)).pipeThrough(encryptStream(options)));
}

Object.assign(globalThis, { through });

// bulla's own candidates, the same in Node and in browsers. A bundle of its own for each build of bulla, so that two of them run side by side.

import { decrypt, decryptMany, decryptStream, encrypt, encryptMany, encryptStream } from 'bulla';
import { cachingKeyring } from 'bulla/cache';
import { aesKeyring } from 'bulla/keyrings/aes';
import { ecdhKeyring, generateEcdhKey } from 'bulla/keyrings/ecdh';
import { createWorkerPool } from 'bulla/workers';
import { collect, drain, makeNoise, messageContext, rechunked, streamOf } from '../lib/payload.ts';
import type { Candidate } from '../lib/rounds.ts';

/** Both ways through a stream in memory, with the default segments; by two workers where the address of their script is given. */
export async function bullaStreams(
  chunks: readonly Uint8Array[],
  workerScript?: string,
): Promise<{ encrypt: [Candidate]; decrypt: [Candidate] }> {
  const createWorker = () => new Worker(workerScript as string, { type: 'module' });
  const workers = workerScript === undefined ? undefined : createWorkerPool({ size: 2, createWorker });
  const keyring = aesKeyring({ keyId: 'bench', key: makeNoise(32) });
  const message = rechunked(await collect(streamOf(chunks).pipeThrough(encryptStream({ keyring }))));
  const name = workers === undefined ? 'bulla' : 'bulla, 2 workers';
  const kind = 'bulla';
  return {
    encrypt: [{ name, kind, run: () => drain(streamOf(chunks).pipeThrough(encryptStream({ keyring, workers }))) }],
    decrypt: [{ name, kind, run: () => drain(streamOf(message).pipeThrough(decryptStream({ keyring, workers }))) }],
  };
}

/** `encrypt` and `decrypt` of one plaintext in memory, `count` times, under a cached data key; the results are kept as an application keeps them, until the next. */
export async function bullaOneShot(
  plaintext: Uint8Array,
  count: number,
): Promise<{ encrypt: Candidate[]; decrypt: Candidate[] }> {
  const keyring = cachingKeyring(aesKeyring({ keyId: 'bench', key: makeNoise(32) }), { maxMessages: 2 ** 30 });
  const message = await encrypt(plaintext, { keyring });
  const bytes = plaintext.byteLength * count;
  return {
    encrypt: [inBytes('bulla', bytes, count, () => encrypt(plaintext, { keyring }))],
    decrypt: [inBytes('bulla', bytes, count, () => decrypt(message, { keyring }))],
  };
}

function inBytes(name: string, bytes: number, count: number, call: () => Promise<unknown>): Candidate {
  const { kind, run } = repeat(name, 'bulla', count, 1, call);
  return { name, kind, run: () => run().then(() => bytes) };
}

/** 100 B to a P-384 key. */
export async function bullaRecipient(
  plaintext: Uint8Array,
  count: number,
): Promise<{ encrypt: Candidate[]; decrypt: Candidate[] }> {
  const key = await generateEcdhKey();
  const keyring = ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] });
  const message = await encrypt(plaintext, { keyring, context: messageContext });
  return {
    encrypt: [repeat('bulla', 'bulla', count, 1, () => encrypt(plaintext, { keyring, context: messageContext }))],
    decrypt: [repeat('bulla', 'bulla', count, 1, () => decrypt(message, { keyring, context: messageContext }))],
  };
}

const cachedAtOnce = 'bulla, cached data key, 64 at once';

/** Runs a call `count` times, `atOnce` of them at a time. */
export function repeat(
  name: string,
  kind: Candidate['kind'],
  count: number,
  atOnce: number,
  call: () => unknown,
): Candidate {
  const run = async () => {
    for (let done = 0; done < count; done += atOnce) {
      if (atOnce === 1) await call();
      else await Promise.all(Array.from({ length: atOnce }, call));
    }
    return count;
  };
  return { name, kind, run, against: atOnce === 64 ? cachedAtOnce : undefined };
}

/** 100 B messages under a cached data key. */
export async function bullaMessages(
  plaintext: Uint8Array,
  count: number,
): Promise<{ encrypt: Candidate[]; decrypt: Candidate[] }> {
  const cached = cachingKeyring(aesKeyring({ keyId: 'bench', key: makeNoise(32) }), { maxMessages: 2 ** 30 });
  const context = messageContext;
  const message = await encrypt(plaintext, { keyring: cached, context });
  const seal = () => encrypt(plaintext, { keyring: cached, context });
  const open = () => decrypt(message, { keyring: cached, context });
  const plaintexts = Array.from({ length: 64 }, () => ({ data: plaintext, context }));
  const messages = Array.from({ length: 64 }, () => ({ message, context }));
  const many = (name: string, call: () => Promise<unknown>): Candidate => ({
    name,
    kind: 'bulla',
    run: () =>
      repeat(name, 'bulla', count / 64, 1, call)
        .run()
        .then((calls) => calls * 64),
  });
  return {
    encrypt: [
      repeat('bulla, cached data key', 'bulla', count, 1, seal),
      repeat(cachedAtOnce, 'bulla', count, 64, seal),
      many('bulla, encryptMany of 64', () => encryptMany(plaintexts, { keyring: cached })),
    ],
    decrypt: [
      repeat('bulla, cached data key', 'bulla', count, 1, open),
      repeat(cachedAtOnce, 'bulla', count, 64, open),
      many('bulla, decryptMany of 64', () => decryptMany(messages, { keyring: cached })),
    ],
  };
}

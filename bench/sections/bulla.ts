// bulla's own candidates, the same in Node and in browsers.

import { decrypt, decryptMany, decryptStream, encrypt, encryptMany, encryptStream } from 'bulla';
import { cachingKeyring } from 'bulla/cache';
import { aesKeyring } from 'bulla/keyrings/aes';
import { ecdhKeyring, generateEcdhKey } from 'bulla/keyrings/ecdh';
import type { SegmentWorkers } from 'bulla/workers';
import { collect, drain, makeNoise, messageContext, rechunked, streamOf } from '../lib/payload.ts';
import type { Candidate } from '../lib/rounds.ts';

/** Both ways through a stream in memory, with the default segments; by workers where there are some. */
export async function bullaStreams(
  chunks: readonly Uint8Array[],
  workers?: SegmentWorkers,
): Promise<{ encrypt: Candidate; decrypt: Candidate }> {
  const keyring = aesKeyring({ keyId: 'bench', key: makeNoise(32) });
  const message = rechunked(await collect(streamOf(chunks).pipeThrough(encryptStream({ keyring }))));
  const name = workers === undefined ? 'bulla' : 'bulla, 2 workers';
  const kind = 'bulla';
  return {
    encrypt: { name, kind, run: () => drain(streamOf(chunks).pipeThrough(encryptStream({ keyring, workers }))) },
    decrypt: { name, kind, run: () => drain(streamOf(message).pipeThrough(decryptStream({ keyring, workers }))) },
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

/** 100 B messages: under a cached data key, and to a public key. */
export async function bullaMessages(
  plaintext: Uint8Array,
  count: number,
): Promise<{ encrypt: Candidate[]; decrypt: Candidate[] }> {
  const cached = cachingKeyring(aesKeyring({ keyId: 'bench', key: makeNoise(32) }), { maxMessages: 2 ** 30 });
  const key = await generateEcdhKey();
  const ecdh = ecdhKeyring({ recipients: [key.publicKey], privateKeys: [key] });
  const context = messageContext;
  const message = await encrypt(plaintext, { keyring: cached, context });
  const toPublicKey = await encrypt(plaintext, { keyring: ecdh, context });
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
  const few = Math.ceil(count / 20);
  return {
    encrypt: [
      repeat('bulla, cached data key', 'bulla', count, 1, seal),
      repeat(cachedAtOnce, 'bulla', count, 64, seal),
      many('bulla, encryptMany of 64', () => encryptMany(plaintexts, { keyring: cached })),
      repeat('bulla, to a P-384 key', 'bulla', few, 1, () => encrypt(plaintext, { keyring: ecdh, context })),
    ],
    decrypt: [
      repeat('bulla, cached data key', 'bulla', count, 1, open),
      repeat(cachedAtOnce, 'bulla', count, 64, open),
      many('bulla, decryptMany of 64', () => decryptMany(messages, { keyring: cached })),
      repeat('bulla, to a P-384 key', 'bulla', few, 1, () => decrypt(toPublicKey, { keyring: ecdh, context })),
    ],
  };
}

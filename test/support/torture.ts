// What every mutated message must end in, on every path that reads messages.

import { decrypt, decryptStream, detach, inspect, isBullaError, open, rewrap } from '../../src/index.ts';
import type { Keyring } from '../../src/keyrings/keyring.ts';
import type { SegmentWorkers } from '../../src/stream/pipe.ts';
import type { Bytes } from '../../src/types.ts';
import { collect, streamOf } from './data.ts';
import { segmentWorkers } from './workers.ts';

/** The codes that a hostile message may end in. */
const expected = new Set([
  'ERR_NOT_A_MESSAGE',
  'ERR_UNSUPPORTED_VERSION',
  'ERR_UNSUPPORTED_SUITE',
  'ERR_UNSUPPORTED_FEATURE',
  'ERR_TRUNCATED',
  'ERR_MALFORMED',
  'ERR_LIMIT_EXCEEDED',
  'ERR_CONTEXT_MISMATCH',
  'ERR_NO_MATCHING_KEY',
  'ERR_DECRYPTION_FAILED',
]);

/** A message to attack, and the only thing that it may open to. */
export interface Target {
  readonly message: Bytes;
  readonly plaintext: Bytes;
  readonly context: Readonly<Record<string, string>>;
  readonly keyring: Keyring;
}

/** Opens a mutant by one path; throws unless it ends in a typed error or, where nothing that matters was changed, in the very plaintext. */
export async function torture(
  mutant: Bytes,
  target: Target,
  path: 'decrypt' | 'stream' | 'workers' | 'open' | 'inspect' | 'rewrap',
): Promise<string> {
  const { keyring, context, plaintext } = target;
  try {
    if (path === 'inspect') inspect(mutant);
    else if (path === 'rewrap') assertSameBody(await rewrap(mutant, { from: keyring, to: keyring, context }), mutant);
    else if (path === 'decrypt') assertSame((await decrypt(mutant, { keyring, context })).plaintext, plaintext);
    else if (path === 'open') assertSame(await (await open(mutant, { keyring, context })).read(), plaintext);
    else await tortureStream(mutant, target, path === 'workers' ? segmentWorkers() : undefined);
  } catch (error) {
    if (isBullaError(error) && expected.has(error.code)) return error.code;
    throw new Error(`${path} of a mutant ended in something else than a typed error`, { cause: error });
  }
  return 'opened';
}

async function tortureStream(
  mutant: Bytes,
  { keyring, context, plaintext }: Target,
  workers: SegmentWorkers | undefined,
): Promise<void> {
  const released: Uint8Array[] = [];
  const stream = decryptStream({ keyring, context, workers });
  const tap = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      released.push(chunk);
      controller.enqueue(chunk);
    },
  });
  try {
    assertSame(await collect(streamOf(mutant, 1, 4000, 77).pipeThrough(stream).pipeThrough(tap)), plaintext);
  } finally {
    let at = 0;
    for (const part of released) {
      assertSame(part, plaintext.subarray(at, at + part.byteLength));
      at += part.byteLength;
    }
  }
}

function assertSameBody(rewrapped: Bytes, mutant: Bytes): void {
  assertSame(detach(rewrapped).body, detach(mutant).body);
}

function assertSame(actual: Uint8Array, plaintext: Uint8Array): void {
  if (actual.byteLength !== plaintext.byteLength || actual.some((byte, i) => byte !== plaintext[i])) {
    throw new Error('a mutant gave a wrong plaintext');
  }
}

// The limit of streams: AES-256-GCM by SubtleCrypto over the same segments, with as many calls in flight, and nothing else.

import { joined } from './payload.ts';
import type { Candidate } from './rounds.ts';

const segmentSize = 2 ** 18;

/** Sealing and opening `bytes` bytes, `inFlight` calls at once. */
export async function bareLoops(
  chunks: readonly Uint8Array<ArrayBuffer>[],
  inFlight: number,
): Promise<{ encrypt: Candidate; decrypt: Candidate }> {
  const usages: KeyUsage[] = ['encrypt', 'decrypt'];
  const key = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, usages);
  const segments = chunks.flatMap((chunk) =>
    Array.from({ length: Math.ceil(chunk.byteLength / segmentSize) }, (_, i) =>
      chunk.subarray(i * segmentSize, (i + 1) * segmentSize),
    ),
  );
  const seal = (segment: Uint8Array<ArrayBuffer>, i: number) => crypto.subtle.encrypt(parameters(i), key, segment);
  const results: Uint8Array[] = [];
  for (const [i, segment] of segments.entries()) results.push(new Uint8Array(await seal(segment, i)));
  const body = joined(results);
  const sealed = segments.map((_, i) => body.subarray(i * (segmentSize + 16), (i + 1) * (segmentSize + 16)));
  const open = (segment: Uint8Array<ArrayBuffer>, i: number) => crypto.subtle.decrypt(parameters(i), key, segment);
  const name = `crypto.subtle alone, ${inFlight} in flight`;
  return {
    encrypt: { name, kind: 'limit', run: () => loop(segments, seal, inFlight) },
    decrypt: { name, kind: 'limit', run: () => loop(sealed, open, inFlight) },
  };
}

async function loop(
  segments: readonly Uint8Array<ArrayBuffer>[],
  call: (segment: Uint8Array<ArrayBuffer>, i: number) => Promise<ArrayBuffer>,
  inFlight: number,
): Promise<number> {
  const pending: Promise<ArrayBuffer>[] = [];
  let bytes = 0;
  for (const [i, segment] of segments.entries()) {
    if (pending.length === inFlight) await pending.shift();
    pending.push(call(segment, i));
    bytes += segment.byteLength;
  }
  await Promise.all(pending);
  return bytes;
}

function parameters(index: number): AesGcmParams {
  const iv = new Uint8Array(12);
  new DataView(iv.buffer).setUint32(8, index);
  return { name: 'AES-GCM', iv };
}

// The limit of one-shot calls: AES-256-GCM over the segments of a message, straight into one result that is kept, and nothing else.

import { makeNoise } from './payload.ts';

type Bytes = Uint8Array<ArrayBuffer>;

/** One call each way, over a plaintext and over what the first sealed. */
export interface BareOneShot {
  seal(plaintext: Bytes): Bytes | Promise<Bytes>;
  open(body: Bytes): Bytes | Promise<Bytes>;
}

const segmentSize = 2 ** 18;
const tagLength = 16;

/** By the synchronous functions of `node:crypto`. */
export function bareOneShotNode({
  createSecretKey,
  createCipheriv,
  createDecipheriv,
}: typeof import('node:crypto')): BareOneShot {
  const key = createSecretKey(makeNoise(32));
  return {
    seal: (plaintext) =>
      eachSegment(plaintext, segmentSize, tagLength, (segment, nonce, result, at) => {
        const cipher = createCipheriv('aes-256-gcm', key, nonce);
        result.set(cipher.update(segment), at);
        cipher.final();
        result.set(cipher.getAuthTag(), at + segment.byteLength);
      }),
    open: (body) =>
      eachSegment(body, segmentSize + tagLength, -tagLength, (segment, nonce, result, at) => {
        const end = segment.byteLength - tagLength;
        const decipher = createDecipheriv('aes-256-gcm', key, nonce);
        decipher.setAuthTag(segment.subarray(end));
        result.set(decipher.update(segment.subarray(0, end)), at);
        decipher.final();
      }),
  };
}

/** By SubtleCrypto, one call after the other. */
export async function bareOneShotSubtle(): Promise<BareOneShot> {
  const { subtle } = crypto;
  const key = await subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
  const through = (usage: 'encrypt' | 'decrypt', size: number, more: number) => async (input: Bytes) => {
    const calls: (() => Promise<void>)[] = [];
    const result = eachSegment(input, size, more, (segment, iv, target, at) => {
      calls.push(async () =>
        target.set(new Uint8Array(await subtle[usage]({ name: 'AES-GCM', iv }, key, segment)), at),
      );
    });
    for (const call of calls) await call();
    return result;
  };
  return {
    seal: through('encrypt', segmentSize, tagLength),
    open: through('decrypt', segmentSize + tagLength, -tagLength),
  };
}

/** Calls `use` for each segment of the input, the last one included however short it is, with where its result goes; results are `more` bytes longer. */
function eachSegment(
  input: Bytes,
  size: number,
  more: number,
  use: (segment: Bytes, nonce: Bytes, result: Bytes, at: number) => void,
): Bytes {
  const count = Math.floor(input.byteLength / size) + 1;
  const result = new Uint8Array(input.byteLength + count * more);
  for (let i = 0; i < count; i++) {
    const nonce = new Uint8Array(12);
    new DataView(nonce.buffer).setUint32(8, i);
    use(input.subarray(i * size, (i + 1) * size), nonce, result, i * (size + more));
  }
  return result;
}

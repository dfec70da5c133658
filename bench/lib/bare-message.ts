// The limit of small messages: the calls of the key schedule and the one segment, and nothing else.

import { makeNoise } from './payload.ts';

const [salt, info, transcript, nonce] = [32, 76, 150, 12].map(makeNoise) as [Bytes, Bytes, Bytes, Bytes];
type Bytes = Uint8Array<ArrayBuffer>;

/** By SubtleCrypto: a digest, the message key, the commitment, the segment. */
export async function bareSubtle(plaintext: Uint8Array): Promise<() => Promise<void>> {
  const { subtle } = crypto;
  const dataKey = await subtle.importKey('raw', makeNoise(32), 'HKDF', false, ['deriveKey', 'deriveBits']);
  const hkdf = { name: 'HKDF', hash: 'SHA-384', salt, info };
  const aes = { name: 'AES-GCM', length: 256 };
  return async () => {
    await subtle.digest('SHA-384', transcript);
    const [key] = await Promise.all([
      subtle.deriveKey(hkdf, dataKey, aes, false, ['encrypt']),
      subtle.deriveBits(hkdf, dataKey, 256),
    ]);
    await subtle.encrypt({ name: 'AES-GCM', iv: nonce }, key, plaintext as Bytes);
  };
}

/** The same by the synchronous functions of `node:crypto`. */
export function bareNode(
  { createSecretKey, createHash, hkdfSync, createCipheriv }: typeof import('node:crypto'),
  plaintext: Uint8Array,
): () => void {
  const dataKey = createSecretKey(makeNoise(32));
  return () => {
    createHash('sha384').update(transcript).digest();
    const key = createSecretKey(new Uint8Array(hkdfSync('sha384', dataKey, salt, info, 32)));
    hkdfSync('sha384', dataKey, salt, info, 32);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    cipher.update(plaintext);
    cipher.final();
    cipher.getAuthTag();
  };
}

/** The platform seam in Node: the built-in WebCrypto, or `@peculiar/webcrypto` where a Node was built or started without it. */

import { Buffer } from 'node:buffer';
import { CryptoUnavailableError } from '../errors.ts';
import type { Bytes } from '../types.ts';
import type { NativeCrypto } from './native.ts';
import { nodeCrypto, takeTurns } from './native-node.ts';
import { isRefusal as isRefusalOfSubtle } from './refusals.ts';
import { builtInCrypto } from './webcrypto-node.ts';

let fallback: Crypto | undefined;

/** The runtime's WebCrypto. Throws `ERR_CRYPTO_UNAVAILABLE` where there is none and the fallback is not installed. */
export function webcrypto(): Crypto | Promise<Crypto> {
  return builtInCrypto() ?? fallback ?? loadFallback();
}

async function loadFallback(): Promise<Crypto> {
  try {
    const { Crypto } = await import('@peculiar/webcrypto');
    fallback ??= new Crypto();
    return fallback;
  } catch {
    throw new CryptoUnavailableError(
      'This Node has no WebCrypto (crypto.subtle); install the package @peculiar/webcrypto as its replacement',
    );
  }
}

/** Whether an error is about the ciphertext. `@peculiar/webcrypto` throws plain errors, its own and those of `node:crypto`. */
export function isRefusal(error: unknown): boolean {
  if (isRefusalOfSubtle(error)) return true;
  if (fallback === undefined || !(error instanceof Error)) return false;
  return refusals.includes(error.message) || (error as NodeJS.ErrnoException).code === refusalOfOpenssl;
}

const refusals = [
  'Unsupported state or unable to authenticate data',
  'Decryption failed',
  'Bad data',
  'keyData: Is wrong key length',
];
/** An RSA ciphertext is compared with the modulus before anything secret is looked at. */
const refusalOfOpenssl = 'ERR_OSSL_RSA_DATA_TOO_LARGE_FOR_MODULUS';

/** Faster primitives besides WebCrypto; where Node has no WebCrypto, its replacement does everything. */
export const native: NativeCrypto | undefined = builtInCrypto() === undefined ? undefined : nodeCrypto;

/** Hands results on, now and then after a turn of the event loop: `@peculiar/webcrypto` works on the calling thread, as the primitives of `node:crypto` do. */
export const inTurn = takeTurns;

/** Memory that the caller fills to its last byte before anybody sees it: filling it with zeros first would cost a fifth of the time that sealing takes. */
export function uninitialized(length: number): Bytes {
  if (length < worthAsking) return new Uint8Array(length);
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer as ArrayBuffer);
}

const worthAsking = 2 ** 12;

/** How many segments to have in work at once: as many as libuv has threads by default. */
export const segmentsInFlight = 4;

/** The platform seam, every runtime but Node: WebCrypto is where the Web platform puts it. */

import { CryptoUnavailableError } from '../errors.ts';
import type { NativeCrypto } from './native.ts';

/** The runtime's WebCrypto. Throws `ERR_CRYPTO_UNAVAILABLE` where there is none. */
export function webcrypto(): Crypto | Promise<Crypto> {
  const provider = globalThis.crypto as Crypto | undefined;
  if (provider?.subtle !== undefined) return provider;
  throw new CryptoUnavailableError(
    globalThis.isSecureContext === false
      ? 'This page has no WebCrypto because it is not a secure context: serve it over HTTPS, or from localhost'
      : 'This runtime has no WebCrypto (globalThis.crypto.subtle)',
  );
}

/** Faster primitives besides WebCrypto: browsers have none. */
export const native: NativeCrypto | undefined = undefined;

/**
 * How many segments to have in work at once. One: browsers run SubtleCrypto on the calling thread, so more would only keep more memory.
 */
export const segmentsInFlight = 1;

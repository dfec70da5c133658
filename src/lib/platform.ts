/** The platform seam, every runtime but Node: WebCrypto is where the Web platform puts it. */

import { CryptoUnavailableError } from '../errors.ts';
import type { Bytes } from '../types.ts';
import type { NativeCrypto } from './native.ts';
import { turnTaker } from './turns.ts';

export { isRefusal } from './refusals.ts';

/** Once it was found: looking costs a small message as much as a call. */
let found: Crypto | undefined;

/** The runtime's WebCrypto. Throws `ERR_CRYPTO_UNAVAILABLE` where there is none. */
export function webcrypto(): Crypto | Promise<Crypto> {
  if (found !== undefined) return found;
  const provider = globalThis.crypto as Crypto | undefined;
  if (provider?.subtle !== undefined) {
    found = provider;
    return provider;
  }
  throw new CryptoUnavailableError(
    globalThis.isSecureContext === false
      ? 'This page has no WebCrypto because it is not a secure context: serve it over HTTPS, or from localhost'
      : 'This runtime has no WebCrypto (globalThis.crypto.subtle)',
  );
}

/** Faster primitives besides WebCrypto: browsers have none. */
export const native: NativeCrypto | undefined = undefined;

/**
 * Browsers may run SubtleCrypto on the calling thread and resolve without a turn of the event loop (Chromium does). A task of more than 50 ms is a long one by the Long Tasks specification; 16 are a frame of a
 * screen, and with 8 the turns were felt in the speed.
 */
export const inTurn = turnTaker({
  slice: 16,
  nextTurn(resume) {
    const channel = newChannel();
    // A timer comes 4 ms late.
    if (channel === undefined) return void setTimeout(resume);
    const { port1, port2 } = channel;
    // One that stays open would keep some runtimes alive.
    port1.onmessage = () => {
      port1.close();
      resume();
    };
    port2.postMessage(undefined);
  },
});

/** Found by trying: some runtimes have no channels, and Next's edge runtime has a class that throws. */
function newChannel(): MessageChannel | undefined {
  try {
    return new MessageChannel();
  } catch {
    return undefined;
  }
}

/** Memory that the caller fills to its last byte before anybody sees it. Browsers have none that is not filled with zeros. */
export const uninitialized = (length: number): Bytes => new Uint8Array(length);

/**
 * How many segments to have in work at once. One: browsers run SubtleCrypto on the calling thread, so more would only keep more memory.
 */
export const segmentsInFlight = 1;

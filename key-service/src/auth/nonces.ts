/** Nonces for proofs: a time under a MAC, so that every replica knows those of the others; `docs/key-service.md` §3.6. */

import { hmacSha256 } from '../crypto/digest.ts';
import { type Bytes, concat, decodeBase64url, encodeBase64url, encodeUtf8, equalBytes, u32 } from '../lib/bytes.ts';
import { type Clock, seconds } from '../lib/clock.ts';

const label = encodeUtf8('bulla dpop nonce');
const macLength = 16;
const goodFor = 360;
const step = 30;

export class Nonces {
  readonly #key: Bytes;
  readonly #clock: Clock;
  #latest: { readonly time: number; readonly nonce: string } | undefined;

  constructor(key: Bytes, clock: Clock) {
    this.#key = key;
    this.#clock = clock;
  }

  /** The nonce to give out now. */
  current(): string {
    const time = Math.floor(seconds(this.#clock) / step) * step;
    if (this.#latest?.time !== time) this.#latest = { time, nonce: encodeBase64url(this.#at(u32(time))) };
    return this.#latest.nonce;
  }

  /** Whether a replica gave out this nonce a short time ago. */
  isFresh(nonce: string): boolean {
    if (nonce === this.#latest?.nonce && this.#latest.time + goodFor > seconds(this.#clock)) return true;
    const bytes = decodeBase64url(nonce);
    if (bytes?.byteLength !== 4 + macLength) return false;
    const time = new DataView(bytes.buffer).getUint32(0);
    const age = seconds(this.#clock) - time;
    return age > -60 && age <= goodFor && equalBytes(bytes, this.#at(bytes.subarray(0, 4)));
  }

  #at(time: Uint8Array): Bytes {
    return concat(time, hmacSha256(this.#key, concat(label, time)).subarray(0, macLength));
  }
}

/** Collects a known number of bytes from chunks of any sizes. */

import type { Bytes } from '../types.ts';

/** Allocates its length at once, so the length must have been bounded. */
export class Collector {
  readonly #buffer: Bytes;
  #filled = 0;

  constructor(length: number) {
    this.#buffer = new Uint8Array(length);
  }

  get complete(): boolean {
    return this.#filled === this.#buffer.byteLength;
  }

  /** What has been collected. */
  get bytes(): Bytes {
    return this.#buffer.subarray(0, this.#filled);
  }

  /** Takes what is missing from a chunk and gives back the rest. */
  push(chunk: Bytes): Bytes {
    const part = chunk.subarray(0, this.#buffer.byteLength - this.#filled);
    this.#buffer.set(part, this.#filled);
    this.#filled += part.byteLength;
    return chunk.subarray(part.byteLength);
  }
}

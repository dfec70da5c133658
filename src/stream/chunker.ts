/** Cuts chunks of any sizes into pieces of one size, copying only where a piece spans chunks. */

import type { Bytes } from '../types.ts';

/**
 * Pieces are views: into the pushed chunk, or into one of a ring of buffers that is used again after `ringSize` further pieces. To keep a
 * piece for longer, copy it.
 */
export class Chunker {
  readonly #size: number;
  readonly #ring: Bytes[];
  #turn = 0;
  /** The bytes of the piece that is not complete yet, at the start of the current buffer. */
  #filled = 0;
  #chunk: Bytes = new Uint8Array(0);

  constructor(size: number, ringSize: number) {
    this.#size = size;
    this.#ring = new Array(ringSize);
  }

  /** Takes a chunk, to be emptied by {@link next} before another is pushed. */
  push(chunk: Bytes): void {
    this.#chunk = chunk;
  }

  /** The next complete piece, or `undefined` where the pushed bytes do not complete one. */
  next(): Bytes | undefined {
    if (this.#filled === 0 && this.#chunk.byteLength >= this.#size) return this.#takeFromChunk(this.#size);
    const buffer = this.#buffer();
    const part = this.#takeFromChunk(this.#size - this.#filled);
    buffer.set(part, this.#filled);
    this.#filled += part.byteLength;
    if (this.#filled < this.#size) return undefined;
    this.#filled = 0;
    this.#turn = (this.#turn + 1) % this.#ring.length;
    return buffer;
  }

  /** What remains when no chunk follows: shorter than a piece, possibly empty. */
  rest(): Bytes {
    return this.#buffer().subarray(0, this.#filled);
  }

  #takeFromChunk(length: number): Bytes {
    const part = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(part.byteLength);
    return part;
  }

  #buffer(): Bytes {
    this.#ring[this.#turn] ??= new Uint8Array(this.#size);
    return this.#ring[this.#turn] as Bytes;
  }
}

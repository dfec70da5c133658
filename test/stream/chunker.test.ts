import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Chunker } from '../../src/stream/chunker.ts';
import { join, pattern } from '../support/data.ts';

function cut(chunks: readonly Uint8Array<ArrayBuffer>[], size: number): { pieces: Uint8Array[]; rest: Uint8Array } {
  const chunker = new Chunker(size, 2);
  const pieces: Uint8Array[] = [];
  for (const chunk of chunks) {
    chunker.push(chunk);
    for (let piece = chunker.next(); piece !== undefined; piece = chunker.next()) pieces.push(piece.slice());
  }
  return { pieces, rest: chunker.rest().slice() };
}

describe('chunker', () => {
  test('§6.1 cuts any chunks into pieces of one size and a shorter rest', () => {
    const sizes = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 30 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 16 }), (lengths, size) => {
        const chunks = lengths.map((length, i) => pattern(length, i + 1));
        const { pieces, rest } = cut(chunks, size);
        expect(pieces.every(({ byteLength }) => byteLength === size)).toBe(true);
        expect(rest.byteLength).toBeLessThan(size);
        expect(join(...pieces, rest)).toEqual(join(...chunks));
      }),
      { numRuns: 300, seed: 20261124 },
    );
  });

  test('pieces inside a chunk are not copied', () => {
    const chunker = new Chunker(4, 2);
    const chunk = pattern(10);
    chunker.push(chunk);
    expect(chunker.next()?.buffer).toBe(chunk.buffer);
    expect(chunker.next()?.buffer).toBe(chunk.buffer);
    expect(chunker.next()).toBeUndefined();
    expect(chunker.rest()).toEqual(chunk.subarray(8));
  });

  test('a piece that spans chunks stays valid while the ring goes round', () => {
    const chunker = new Chunker(4, 3);
    const kept: Uint8Array[] = [];
    for (let i = 0; i < 6; i++) {
      chunker.push(Uint8Array.of(i, i));
      const piece = chunker.next();
      if (piece !== undefined) kept.push(piece);
    }
    expect(kept.map((piece) => [...piece])).toEqual([
      [0, 0, 1, 1],
      [2, 2, 3, 3],
      [4, 4, 5, 5],
    ]);
  });
});

// Reads of more bytes than Node takes at once. Nothing of that size is made here.

import type { FileHandle } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { readFully } from '../../src/node/file-io.ts';

test.each([2 ** 31 - 1, 2 ** 31, 5 * 2 ** 30 + 7])(
  '%i bytes are read in pieces that Node takes',
  async (byteLength) => {
    const asked: { offset: number; length: number; position: number }[] = [];
    const read = async (_buffer: unknown, offset: number, length: number, position: number) => {
      asked.push({ offset, length, position });
      return { bytesRead: length };
    };
    await readFully({ read } as unknown as FileHandle, { byteLength } as Uint8Array, 100);
    let next = 0;
    for (const { offset, length, position } of asked) {
      expect([offset, position]).toEqual([next, next + 100]);
      expect(length).toBeLessThan(2 ** 31 - 1);
      next += length;
    }
    expect(next).toBe(byteLength);
  },
);

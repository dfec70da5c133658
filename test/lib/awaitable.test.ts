import { describe, expect, test } from 'vitest';
import { isPromise, whenAllThere } from '../../src/lib/awaitable.ts';

describe('isPromise', () => {
  // biome-ignore lint/suspicious/noThenProperty: like a promise, and none
  test.each([undefined, null, 0, '', new Uint8Array(1), {}, { then: 1 }])('%s is there at once', (value) => {
    expect(isPromise(value)).toBe(false);
  });
  test('a promise, and what only behaves like one', () => {
    expect(isPromise(Promise.resolve(1))).toBe(true);
    // biome-ignore lint/suspicious/noThenProperty: like a promise of another realm
    expect(isPromise({ then: () => {} } as never)).toBe(true);
  });
});

describe('whenAllThere', () => {
  test('results that are there are given at once, in their order', () => {
    expect(whenAllThere([1, 2, 3], (value, i) => value * i)).toEqual([0, 2, 6]);
  });

  test('others are waited for, and what is thrown beside them rejects', async () => {
    expect(await whenAllThere([1, 2], (value) => (value === 1 ? Promise.resolve(value) : value))).toEqual([1, 2]);
    const failing = whenAllThere([1, 2, 3], (value) => {
      if (value === 2) throw new Error('the second');
      return value === 1 ? Promise.reject(new Error('the first')) : value;
    });
    await expect(failing).rejects.toThrow('the first');
    const thrown = whenAllThere([1], () => {
      throw new Error('alone');
    });
    await expect(thrown).rejects.toThrow('alone');
  });
});

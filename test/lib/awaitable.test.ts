import { describe, expect, test } from 'vitest';
import { isPromise } from '../../src/lib/awaitable.ts';

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

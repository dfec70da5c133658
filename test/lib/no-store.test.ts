import { expect, test } from 'vitest';
import { noStore, triedWith } from '../../src/lib/no-store.ts';

test('a runtime that takes the option is told to keep nothing', () => {
  expect(noStore()).toEqual({ cache: 'no-store' });
  expect(noStore()).toBe(noStore());
});

test('a runtime that refuses the option is not given it', () => {
  class Refusing {
    constructor() {
      throw new Error("The 'cache' field on 'RequestInitializerDict' is not implemented.");
    }
  }
  expect(triedWith(Refusing as unknown as typeof Request)).toEqual({});
});

// The trial is made once for each module, so each test loads its own.

import { afterEach, expect, test, vi } from 'vitest';

const load = async () => {
  vi.resetModules();
  return (await import('../../src/lib/no-store.ts')).noStore;
};

afterEach(() => {
  vi.unstubAllGlobals();
});

test('a runtime that takes the option is told to keep nothing', async () => {
  expect((await load())()).toEqual({ cache: 'no-store' });
});

test('a runtime that refuses the option is not given it, and tried once', async () => {
  const refuse = vi.fn(() => {
    throw new Error("The 'cache' field on 'RequestInitializerDict' is not implemented.");
  });
  vi.stubGlobal('Request', refuse);
  const noStore = await load();
  expect(noStore()).toEqual({});
  expect(noStore()).toEqual({});
  expect(refuse).toHaveBeenCalledTimes(1);
});

import { afterEach, expect, test, vi } from 'vitest';
import { inTurn } from '../../src/lib/platform.ts';

afterEach(() => vi.unstubAllGlobals());

const throwing = class {
  constructor() {
    throw new Error('A Node.js API is used (MessageChannel) which is not supported in the Edge Runtime');
  }
};

test.each([
  ['is missing', undefined],
  ['throws', throwing],
])('others have their turn where MessageChannel %s', async (_, channel) => {
  vi.stubGlobal('MessageChannel', channel);
  let others = 0;
  setTimeout(() => others++);
  const end = performance.now() + 5000;
  while (others === 0 && performance.now() < end) await inTurn(undefined);
  expect(others).toBe(1);
});

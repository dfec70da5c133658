import { describe, expect, test, vi } from 'vitest';
import { tell, timeOf, yesOrNo } from '../../src/lib/callbacks.ts';

const failure = new Error('a listener failed');
const throwing = () => {
  throw failure;
};
const thenable = (then: PropertyDescriptor) => () => Object.defineProperty({}, 'then', then);

describe('tell', () => {
  test('hands on what there is to tell', () => {
    const listener = vi.fn();
    tell(listener, 1, 'a');
    tell(undefined);
    expect(listener.mock.calls).toEqual([[1, 'a']]);
  });

  test.each([
    ['throws', throwing],
    ['rejects', () => Promise.reject(failure)],
    ['gives something whose then throws', thenable({ get: throwing })],
    [
      'gives something that rejects',
      thenable({ value: (_: unknown, reject: (error: Error) => void) => reject(failure) }),
    ],
    ['never ends', () => new Promise(() => {})],
  ])('goes on after a listener that %s', async (_, listener) => {
    // An unhandled rejection would fail the run.
    expect(tell(listener)).toBeUndefined();
    await new Promise((resolve) => setTimeout(resolve));
  });
});

test.each([undefined, null, 0, 1, 'true', Promise.resolve(false), {}])('%s is neither yes nor no', (answer) => {
  expect(() => yesOrNo(answer, 'drop')).toThrow(new TypeError('drop() must return true or false'));
});

test.each([undefined, null, Number.NaN, Number.POSITIVE_INFINITY, '0', new Date(0), 1n])('%s is no time', (time) => {
  expect(() => timeOf(() => time as number)).toThrow(
    new TypeError('now() must return a finite number of milliseconds'),
  );
});

test('a time is handed on', () => {
  expect(timeOf(() => -1.5)).toBe(-1.5);
  expect([yesOrNo(true, 'x'), yesOrNo(false, 'x')]).toEqual([true, false]);
});

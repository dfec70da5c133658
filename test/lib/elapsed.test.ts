// Time by two clocks, and maps with a bound.

import { describe, expect, test, vi } from 'vitest';
import { BoundedMap } from '../../src/lib/bounded-map.ts';
import { elapsed, moment } from '../../src/lib/elapsed.ts';

describe('elapsed', () => {
  test.each([
    ['both go on', 500, 500, 500],
    ['the wall clock is set ahead', 5_000, 500, 5_000],
    ['it is set back by less than what has passed', 100, 500, 500],
    ['it is set back to before', -1, 500, Number.POSITIVE_INFINITY],
    ['the monotonic clock stood still in a sleep', 5_000, 0, 5_000],
  ])('%s', (_what, wall, steady, expected) => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(1_000);
    const begun = moment(() => 10_000);
    clock.mockReturnValue(1_000 + steady);
    expect(elapsed(begun, () => 10_000 + wall)).toBe(expected);
    clock.mockRestore();
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, undefined])('a clock that shows %s is refused', (time) => {
    const now = () => time as number;
    expect(() => moment(now)).toThrow(/^now\(\) must return/);
    expect(() => elapsed({ wall: 0, steady: 0 }, now)).toThrow(/^now\(\) must return/);
  });
});

describe('BoundedMap', () => {
  test('what was used least recently makes room', () => {
    const gone: string[] = [];
    const map = new BoundedMap<string, number>(2, (_value, key) => void gone.push(key));
    map.set('a', 1);
    map.set('b', 2);
    map.get('a');
    map.peek('b');
    map.set('c', 3);
    expect([gone, map.size, map.get('b'), map.get('a')]).toEqual([['b'], 2, undefined, 1]);
    map.set('c', 4);
    expect([gone, map.entries()]).toEqual([
      ['b'],
      [
        ['a', 1],
        ['c', 4],
      ],
    ]);
    map.delete('c');
    map.clear();
    expect([gone, map.size]).toEqual([['b'], 0]);
  });
});

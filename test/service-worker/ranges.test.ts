import { describe, expect, test } from 'vitest';
import { requestedRange } from '../../src/service-worker/ranges.ts';

const etag = '"tag"';
const ask = (range: string | undefined, size: number, ifRange?: string) =>
  requestedRange(
    new Headers({
      ...(range === undefined ? {} : { Range: range }),
      ...(ifRange === undefined ? {} : { 'If-Range': ifRange }),
    }),
    size,
    etag,
  );
const all = { start: 0, end: 10, partial: false };

describe('RFC 9110 §14', () => {
  test.each([
    ['bytes=0-0', 0, 1],
    ['bytes=0-9', 0, 10],
    ['bytes=0-10', 0, 10],
    ['bytes=0-', 0, 10],
    ['bytes=9-', 9, 10],
    ['bytes=3-5', 3, 6],
    ['bytes=9-999999999999999999999', 9, 10],
    ['bytes=-1', 9, 10],
    ['bytes=-10', 0, 10],
    ['bytes=-11', 0, 10],
    ['BYTES=2-3', 2, 4],
    ['bytes= 2-3 ', 2, 4],
  ])('%s of 10 bytes', (range, start, end) => {
    expect(ask(range, 10)).toEqual({ start, end, partial: true });
  });

  test.each(['bytes=10-', 'bytes=10-10', 'bytes=-0', 'bytes=99999999999999999999999-'])(
    '%s of 10 bytes does not exist',
    (range) => {
      expect(ask(range, 10)).toBeUndefined();
    },
  );

  test.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=5-3',
    'bytes=0-1,3-4',
    'bytes=a-b',
    'bytes=-1-2',
    'bytes=1.5-2',
    'bytes=+1-2',
    'items=0-1',
  ])('%s is ignored', (range) => {
    expect(ask(range, 10)).toEqual(all);
  });

  test('of nothing', () => {
    expect(ask('bytes=0-', 0)).toBeUndefined();
    expect(ask('bytes=0-0', 0)).toBeUndefined();
    expect(ask('bytes=-1', 0)).toEqual({ start: 0, end: 0, partial: false });
    expect(ask(undefined, 0)).toEqual({ start: 0, end: 0, partial: false });
  });

  test('§13.1.5 If-Range: this tag, strongly, and nothing else', () => {
    expect(ask('bytes=1-2', 10, etag)).toEqual({ start: 1, end: 3, partial: true });
    for (const other of ['"other"', 'W/"tag"', 'Tue, 03 Nov 2026 08:00:00 GMT', '*', '']) {
      expect(ask('bytes=1-2', 10, other)).toEqual(all);
    }
    expect(ask('bytes=10-', 10, '"other"')).toEqual(all);
  });
});

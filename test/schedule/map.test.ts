import { describe, expect, test } from 'vitest';
import { takeMap } from '../../src/lib/options.ts';
import { encodeMap, sortPairs } from '../../src/schedule/map.ts';

const names = (map: Record<string, string>) => sortPairs(map, 'context', 8192).map(({ name }) => name);

describe('maps', () => {
  test('§4.4 encodes names and values with their lengths', () => {
    expect(encodeMap(sortPairs({ b: '', a: 'xy' }, 'context', 8192))).toEqual(
      Uint8Array.of(0, 0, 0, 2, 0, 0, 0, 1, 0x61, 0, 0, 0, 2, 0x78, 0x79, 0, 0, 0, 1, 0x62, 0, 0, 0, 0),
    );
    expect(encodeMap(sortPairs({}, 'context', 8192))).toEqual(new Uint8Array(4));
  });

  test('§4.4 sorts by UTF-8 bytes, not by UTF-16 code units', () => {
    expect(names({ '\u{10000}': '', '\uff5e': '', aa: '', a: '', B: '', é: '', 'e\u0301': '' })).toEqual([
      'B',
      'a',
      'aa',
      'e\u0301',
      'é',
      '\uff5e',
      '\u{10000}',
    ]);
  });

  test('§4.4 integer-like names are sorted as text', () => {
    expect(names({ 10: '', 9: '', 1: '' })).toEqual(['1', '10', '9']);
  });

  test('takes names that objects have of their own accord', () => {
    const map = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>;
    expect(names(map)).toEqual(['__proto__', 'constructor', 'toString']);
  });

  test.each([null, undefined, 'text', 7, ['a']])('refuses what is no map: %j', (map) => {
    expect(() => sortPairs(takeMap(map, 'context'), 'context', 8192)).toThrow(
      new TypeError('context must be a plain object of strings'),
    );
  });

  test('refuses values that are no strings, and names them', () => {
    expect(() => sortPairs(takeMap({ id: 5 }, 'context'), 'context', 8192)).toThrow(
      new TypeError('context["id"] must be a string'),
    );
  });

  test('§4.2 refuses unpaired surrogates and never shows a value', () => {
    expect(() => sortPairs(takeMap({ 'a\ud800': '' }, 'context'), 'context', 8192)).toThrow(TypeError);
    expect(() => sortPairs(takeMap({ id: 'secret\ud800' }, 'context'), 'context', 8192)).toThrow(
      /^context\["id"\] has an unpaired surrogate$/,
    );
  });

  test('§4.4 refuses an empty name', () => {
    expect(() => sortPairs(takeMap({ '': 'x' }, 'context'), 'context', 8192)).toThrow(/empty name/);
  });

  test('§2.4 limits count bytes of UTF-8, and pairs', () => {
    const limit = expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' });
    const pairs = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, '']));
    expect(sortPairs({ ['é'.repeat(128)]: 'é'.repeat(4096) }, 'context', 8192)).toHaveLength(1);
    expect(() => sortPairs({ [`${'é'.repeat(128)}a`]: '' }, 'context', 8192)).toThrow(limit);
    expect(() => sortPairs({ a: `${'é'.repeat(4096)}a` }, 'context', 8192)).toThrow(limit);
    expect(sortPairs(pairs(64), 'context', 8192)).toHaveLength(64);
    expect(() => sortPairs(pairs(65), 'context', 8192)).toThrow(limit);
  });
});

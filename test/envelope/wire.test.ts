import { describe, expect, test } from 'vitest';
import { messageRules, readCanonical } from '../../src/envelope/wire.ts';

const rules = messageRules(
  {
    1: { name: 'number', type: 'uint32' },
    2: { name: 'bytes', type: 'bytes', required: true, least: 2, most: 3 },
    3: { name: 'strings', type: 'string', repeated: 2, limit: 4 },
    4: { name: 'inner', type: 'message', fields: messageRules({ 1: { name: 'number', type: 'uint32', limit: 9 } }) },
  },
  (number) => (number >= 1024 ? 'any' : number >= 512 ? 'bytes' : undefined),
);
const bytesField = [0x12, 0x02, 1, 2];
const read = (...bytes: readonly number[]) => readCanonical(Uint8Array.from(bytes), rules, 'thing');
const codeOf = (...bytes: readonly number[]) => {
  try {
    read(...bytes);
  } catch (error) {
    return (error as { code: string }).code;
  }
  return 'accepted';
};

describe('canonical protobuf', () => {
  test('§2.2 reads what is canonical', () => {
    expect(read(0x08, 0x96, 0x01, ...bytesField, 0x1a, 1, 0x61, 0x1a, 1, 0x62, 0x22, 2, 0x08, 9)).toEqual({
      fields: { number: 150, bytes: Uint8Array.of(1, 2), strings: ['a', 'b'], inner: { number: 9 } },
      numbers: [1, 2, 3, 4],
    });
    expect(read(0x08, 0xff, 0xff, 0xff, 0xff, 0x0f, ...bytesField).fields.number).toBe(2 ** 32 - 1);
    expect(read(...bytesField, 0x1a, 3, 0xef, 0xbb, 0xbf).fields.strings).toEqual(['\ufeff']);
  });

  test('§2.2 an absent field has the default value of its type', () => {
    expect({ ...read(...bytesField).fields }).toStrictEqual({
      number: 0,
      bytes: Uint8Array.of(1, 2),
      strings: [],
      inner: undefined,
    });
  });

  // Each is what a page or a library may have done to all objects. None is a rule, a field or its value.
  test.each<[string, PropertyDescriptor]>([
    ['number', { value: 7, writable: true }],
    ['inner', { value: { number: 7 }, writable: true }],
    ['bytes', { value: 7, writable: false }],
    ['strings', { set: () => {} }],
    ['repeated', { value: 5, writable: true }],
    ['least', { value: 3, writable: true }],
    ['most', { value: 1, writable: true }],
    ['limit', { value: 1, writable: true }],
    ['required', { value: true, writable: true }],
    ['judge', { value: () => expect.unreachable(), writable: true }],
    ['fields', { value: messageRules({}), writable: true }],
    ['5', { value: { name: 'five', type: 'bytes' }, writable: true }],
  ])('§2.2 reads the same where Object.prototype has %s', (name, descriptor) => {
    const others = [
      [0x08, 7, ...bytesField, 0x1a, 2, 0x61, 0x62, 0x22, 2, 0x08, 9],
      [...bytesField],
      [0x08, 7, 0x08, 7, ...bytesField],
      [0x08, 7],
      [...bytesField, 0x2a, 1, 0],
    ];
    const outcomes = () => others.map((bytes) => [codeOf(...bytes), codeOf(...bytes) === 'accepted' && read(...bytes)]);
    const expected = outcomes();
    Object.defineProperty(Object.prototype, name, { ...descriptor, configurable: true });
    const polluted = (() => {
      try {
        return outcomes();
      } finally {
        Reflect.deleteProperty(Object.prototype, name);
      }
    })();
    expect(polluted).toStrictEqual(expected);
    expect(expected.map(([code]) => code)).toEqual([
      'accepted',
      'accepted',
      'ERR_MALFORMED',
      'ERR_MALFORMED',
      'ERR_UNSUPPORTED_FEATURE',
    ]);
  });

  test.each<[string, number[]]>([
    ['§2.2a a tag that is not minimal', [0x88, 0x00, 0x01, ...bytesField]],
    ['§2.2a a value that is not minimal', [0x08, 0x81, 0x00, ...bytesField]],
    ['§2.2a a length that is not minimal', [0x12, 0x82, 0x00, 1, 2]],
    ['§2.2a a varint of eleven bytes', [0x08, ...new Array(10).fill(0xff), 0x01, ...bytesField]],
    ['§2.2a a varint beyond 64 bits', [0x08, ...new Array(9).fill(0xff), 0x02, ...bytesField]],
    ['§2.2a 2^64 as a length', [0x12, ...new Array(9).fill(0x80), 0x02, 1, 2]],
    ['§2.2b fields out of order', [...bytesField, 0x08, 0x01]],
    ['§2.2b a repeated singular field', [0x08, 0x01, 0x08, 0x01, ...bytesField]],
    ['§2.2b a repeated field that is interrupted', [...bytesField, 0x1a, 1, 0x61, 0x22, 2, 0x08, 9, 0x1a, 1, 0x62]],
    ['§2.2c bytes as a varint', [0x10, 0x02]],
    ['§2.2c a uint32 as bytes', [0x0a, 0x01, 1, ...bytesField]],
    ['§2.2c a uint32 as fixed32', [0x0d, 1, 0, 0, 0, ...bytesField]],
    ['§2.2c a group', [...bytesField, 0x23, 0x24]],
    ['§2.2c wire type 6', [...bytesField, 0x26]],
    ['§2.2c wire type 7', [...bytesField, 0x27]],
    ['§2.2c a group of an unknown field', [...bytesField, 0x83, 0x40, 0x84, 0x40]],
    ['§2.2d a default value', [0x08, 0x00, ...bytesField]],
    ['§2.2d an empty string', [...bytesField, 0x1a, 0]],
    ['§2.2d an empty message', [...bytesField, 0x22, 0]],
    // Cut to 32 bits, 2^63 + 2 is 2 and 2^64 - 1 is -1.
    ['§2.2e 2^63 + 2', [0x08, 0x82, ...new Array(8).fill(0x80), 0x01, ...bytesField]],
    ['§2.2e 2^64 - 1', [0x08, ...new Array(9).fill(0xff), 0x01, ...bytesField]],
    ['§2.2e 2^53 + 1', [0x08, 0x81, ...new Array(6).fill(0x80), 0x10, ...bytesField]],
    ['§2.2e 2^32', [0x08, 0x80, 0x80, 0x80, 0x80, 0x10, ...bytesField]],
    ['§2.2f half of a character', [...bytesField, 0x1a, 3, 0xed, 0xa0, 0x80]],
    ['§2.2f beyond U+10FFFF', [...bytesField, 0x1a, 4, 0xf4, 0x90, 0x80, 0x80]],
    ['§2.2f a character that is cut', [...bytesField, 0x1a, 2, 0xe2, 0x82]],
    ['§2.2f overlong UTF-8', [...bytesField, 0x1a, 2, 0xc0, 0xaf]],
    ['§2.2g a length beyond the end', [0x12, 0x03, 1, 2]],
    ['§2.2g an inner length beyond the inner end', [...bytesField, 0x22, 2, 0x08, 0x80]],
    ['§2.2g a length of 2^63 + 2', [0x12, 0x82, ...new Array(8).fill(0x80), 0x01, 1, 2]],
    ['§2.2g a length of nearly 2^28', [...bytesField, 0x1a, 0xff, 0xff, 0xff, 0x7f]],
    ['§2.2g a cut tag', [...bytesField, 0x80]],
    ['§2.2g a cut fixed64', [...bytesField, 0x81, 0x40, 1, 2, 3]],
    ['§2.2h field number 0', [0x02, 0x01, 1]],
    // Cut to 32 bits, the tag of field 2.
    ['§2.2h field number 2^29 + 2', [0x92, 0x80, 0x80, 0x80, 0x10, 2, 1, 2]],
    ['§2.2h field number 2^29', [...bytesField, 0x80, 0x80, 0x80, 0x80, 0x10, 1]],
    ['§2.1 a required field that is missing', [0x08, 0x01]],
    ['§2.1 nothing', []],
    ['a value that is too short', [0x12, 0x01, 1]],
    ['a value that is too long', [0x12, 0x04, 1, 2, 3, 4]],
  ])('ERR_MALFORMED: %s', (_, bytes) => expect(codeOf(...bytes)).toBe('ERR_MALFORMED'));

  test.each<[string, number[]]>([
    ['§2.4 one element too many', [...bytesField, ...[0x1a, 1, 0x61], ...[0x1a, 1, 0x62], ...[0x1a, 1, 0x63]]],
    ['§2.4 a string beyond its limit', [...bytesField, 0x1a, 5, 1, 2, 3, 4, 5]],
    ['§2.4 a number beyond its limit', [...bytesField, 0x22, 2, 0x08, 10]],
  ])('ERR_LIMIT_EXCEEDED: %s', (_, bytes) => expect(codeOf(...bytes)).toBe('ERR_LIMIT_EXCEEDED'));

  test('§2.3 unknown fields are refused unless they are admitted', () => {
    expect(codeOf(...bytesField, 0x2a, 1, 0)).toBe('ERR_UNSUPPORTED_FEATURE');
    expect(codeOf(...bytesField, 0xfa, 0x1f, 1, 0)).toBe('ERR_UNSUPPORTED_FEATURE');
    expect(codeOf(...bytesField, 0x82, 0x40, 1, 0)).toBe('accepted');
    expect(codeOf(...bytesField, 0x80, 0x40, 0x01, 0x80, 0x40, 0x02)).toBe('accepted');
    expect(codeOf(...bytesField, 0x89, 0x40, 1, 2, 3, 4, 5, 6, 7, 8, 0x95, 0x40, 1, 2, 3, 4)).toBe('accepted');
    expect(codeOf(...bytesField, 0x82, 0x20, 1, 0)).toBe('accepted');
  });

  test.each<[string, number[]]>([
    ['a varint of 0', [0x80, 0x40, 0x00]],
    ['empty bytes', [0x82, 0x40, 0]],
    ['32 bits of 0', [0x85, 0x40, 0, 0, 0, 0]],
    ['64 bits of 0', [0x81, 0x40, 0, 0, 0, 0, 0, 0, 0, 0]],
    ['a varint where bytes are admitted', [0x80, 0x20, 1]],
    ['bytes twice where they are admitted once', [0x82, 0x20, 1, 0, 0x82, 0x20, 1, 0]],
  ])('§2.3 an admitted field is canonical all the same: %s', (_, bytes) => {
    expect(codeOf(...bytesField, ...bytes)).toBe('ERR_MALFORMED');
  });

  test('a large number of fields takes time in proportion', () => {
    const many = new Uint8Array(3_000_000);
    for (let i = 0; i < many.length; i += 3) many.set([0x1a, 1, 0x61], i);
    expect(() => readCanonical(many, rules, 'thing')).toThrow(expect.objectContaining({ code: 'ERR_LIMIT_EXCEEDED' }));
  });
});

import { describe, expect, test } from 'vitest';
import { decodeBase64url, encodeBase64url } from '../../src/lib/base64url.ts';
import { pattern } from '../support/data.ts';

describe('base64url', () => {
  test.each([
    ['', ''],
    ['f', 'Zg'],
    ['fo', 'Zm8'],
    ['foo', 'Zm9v'],
    ['foob', 'Zm9vYg'],
    ['fooba', 'Zm9vYmE'],
    ['foobar', 'Zm9vYmFy'],
  ])('RFC 4648 §10: %j', (text, encoded) => {
    expect(encodeBase64url(new TextEncoder().encode(text))).toBe(encoded);
    expect(new TextDecoder().decode(decodeBase64url(encoded))).toBe(text);
  });

  test('uses the URL alphabet', () => {
    expect(encodeBase64url(Uint8Array.of(0xfb, 0xff, 0xbf))).toBe('-_-_');
  });

  test('is one to one for every length up to 200', () => {
    for (let length = 0; length <= 200; length++) {
      const bytes = pattern(length, length + 1);
      expect(decodeBase64url(encodeBase64url(bytes))).toEqual(bytes);
    }
  });

  test.each(['A', 'AAAAA', 'Zg=', 'Zg==', 'Z+8', 'Z/8', 'Zm 8', 'Zm\n8', 'Zmü8', 'Zm\u{1F600}', 'Zm\u01418'])(
    '§1.6 refuses %j',
    (text) => expect(decodeBase64url(text)).toBeUndefined(),
  );

  test('§1.6 refuses last bits that are not zero', () => {
    expect(decodeBase64url('Zh')).toBeUndefined();
    expect(decodeBase64url('Zm9')).toBeUndefined();
    expect(decodeBase64url('Zm8')).toEqual(Uint8Array.of(0x66, 0x6f));
  });

  test('decodes from an offset', () => {
    expect(decodeBase64url('xx.Zm8', 3)).toEqual(Uint8Array.of(0x66, 0x6f));
  });
});

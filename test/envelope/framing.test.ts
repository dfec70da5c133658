import { describe, expect, test } from 'vitest';
import {
  encodePreamble,
  formOf,
  fromText,
  magicAndVersion,
  readEnvelope,
  readPreamble,
  toText,
} from '../../src/envelope/framing.ts';
import { join } from '../support/data.ts';

const preamble = (...length: number[]) => join(magicAndVersion('message'), Uint8Array.from(length));
const code = (code: string) => expect.objectContaining({ code });

describe('framing', () => {
  test('§1.1 §1.2 §1.3 magic, version, length', () => {
    expect(encodePreamble('message', 0x01020304)).toEqual(Uint8Array.of(0x62, 0x75, 0x6c, 0x6c, 0x61, 1, 1, 2, 3, 4));
    expect(encodePreamble('envelope', 1).subarray(0, 6)).toEqual(Uint8Array.of(0x62, 0x75, 0x6c, 0x6c, 0x65, 1));
    expect(magicAndVersion('body')).toEqual(Uint8Array.of(0x62, 0x75, 0x6c, 0x6c, 0x62, 1));
  });

  test('§1.1 what does not start like a message is none, and a detached part says what it is', () => {
    for (const bytes of [[], [0x62], [0x62, 0x75, 0x6c, 0x6c], [0x42, 0x75, 0x6c, 0x6c, 0x61, 1, 0, 0, 0, 1]]) {
      expect(() => readPreamble(Uint8Array.from(bytes), 'message')).toThrow(code('ERR_NOT_A_MESSAGE'));
    }
    expect(() => readPreamble(encodePreamble('envelope', 1), 'message')).toThrow(/detached envelope/);
    expect(() => readPreamble(encodePreamble('message', 1), 'envelope')).toThrow(/whole message/);
  });

  test('§1.2 refuses other versions', () => {
    const bytes = encodePreamble('message', 1);
    for (const version of [0, 2, 255]) {
      bytes[5] = version;
      expect(() => readPreamble(bytes, 'message')).toThrow(code('ERR_UNSUPPORTED_VERSION'));
    }
  });

  test('§1.6 bytes of a text form are told apart from another version', () => {
    for (const [text, form] of [
      ['bulla1.AAAA', 'message'],
      ['bulle1.AAAA', 'envelope'],
    ] as const) {
      expect(() => readPreamble(new TextEncoder().encode(text), form)).toThrow(/text form: give it as a string$/);
    }
    expect(() => readPreamble(new TextEncoder().encode('bulla12345'), 'message')).toThrow(/unknown version 49$/);
  });

  test('§1.3 bounds the length before anything is allocated', () => {
    expect(readPreamble(preamble(0, 0x10, 0, 0), 'message')).toBe(1_048_576);
    for (const length of [
      [0, 0x10, 0, 1],
      [0x7f, 0xff, 0xff, 0xff],
      [0x80, 0, 0, 0],
      [0xff, 0xff, 0xff, 0xff],
    ]) {
      expect(() => readPreamble(preamble(...length), 'message')).toThrow(code('ERR_LIMIT_EXCEEDED'));
    }
  });

  test('§1.3 a cut preamble or envelope is truncated', () => {
    for (const length of [5, 6, 7, 9]) {
      expect(() => readPreamble(preamble(0, 0, 0, 2).subarray(0, length), 'message')).toThrow(code('ERR_TRUNCATED'));
    }
    expect(() => readEnvelope(join(preamble(0, 0, 0, 2), Uint8Array.of(1)), 'message')).toThrow(code('ERR_TRUNCATED'));
  });

  test('§1.4 what follows the envelope is the body', () => {
    const { envelope, end } = readEnvelope(join(preamble(0, 0, 0, 2), Uint8Array.of(1, 2, 3, 4)), 'message');
    expect(envelope).toEqual(Uint8Array.of(1, 2));
    expect(end).toBe(12);
  });

  test('§1.5 nothing may follow a detached envelope', () => {
    const detached = join(encodePreamble('envelope', 2), Uint8Array.of(1, 2));
    expect(readEnvelope(detached, 'envelope').envelope).toEqual(Uint8Array.of(1, 2));
    expect(() => readEnvelope(join(detached, Uint8Array.of(0)), 'envelope')).toThrow(code('ERR_MALFORMED'));
  });

  test('§1.6 text form, both ways', () => {
    const message = join(encodePreamble('message', 1), Uint8Array.of(255));
    const text = toText(message);
    expect(text).toMatch(/^bulla1\.[A-Za-z0-9_-]+$/);
    expect(fromText(text)).toEqual(message);
    expect(toText(encodePreamble('envelope', 0))).toMatch(/^bulle1\./);
    expect(formOf(fromText(toText(encodePreamble('envelope', 0))))).toBe('envelope');
  });

  test('§1.7 white space anywhere and a byte order mark in front do not matter', () => {
    const message = join(encodePreamble('message', 3), Uint8Array.of(1, 2, 3));
    const text = toText(message);
    for (const folded of [`${text}\r\n`, `\ufeff\t ${text}`, text.replaceAll(/.{5}/g, '$&\r\n  ')]) {
      expect(fromText(folded)).toEqual(message);
    }
    expect(() => fromText(`${text}\ufeff`)).toThrow(code('ERR_MALFORMED'));
  });

  test('§1.6 refuses other prefixes, alphabets, lengths, and what the prefix does not promise', () => {
    const text = toText(encodePreamble('message', 7));
    for (const other of ['', 'bulla1', 'bulla2.AAAA', text.slice(1), `\u00a0${text}`, text.toUpperCase()]) {
      expect(() => fromText(other)).toThrow(code('ERR_NOT_A_MESSAGE'));
    }
    for (const other of [
      `${text}=`,
      `${text}\v`,
      `${text.slice(0, 12)}\u00a0${text.slice(12)}`,
      `${text}+`,
      `${text}/`,
      `${text}AAA`,
    ]) {
      expect(() => fromText(other)).toThrow(code('ERR_MALFORMED'));
    }
    expect(() => fromText(text.replace('bulla1.', 'bulle1.'))).toThrow(code('ERR_MALFORMED'));
    expect(() => fromText('bulla1.')).toThrow(code('ERR_MALFORMED'));
    expect(() => toText(magicAndVersion('body'))).toThrow(code('ERR_NOT_A_MESSAGE'));
    expect(() => toText(Uint8Array.of(1, 2, 3))).toThrow(code('ERR_NOT_A_MESSAGE'));
  });
});

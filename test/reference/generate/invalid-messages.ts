// Invalid vectors of whole messages: framing, forms, tampering with header, keys and context, and segments.

import {
  concat,
  deriveMessageKeys,
  encodeMap,
  encodeText,
  type Field,
  gcmSeal,
  lp,
  METHODS,
  sealSegments,
  segmentNonce,
  split,
  u32,
  utf8,
} from '../bulla.ts';
import type { Pair } from '../vectors.ts';
import {
  CONTEXT,
  craft,
  craftHalves,
  DATA_KEY,
  HEADER,
  type InvalidCase,
  KEYS,
  type Parts,
  SALT,
  withMethodBody,
  wrapFor,
} from './craft.ts';
import { random } from './material.ts';
import { encodeFields, len, num, pair, splitHalves } from './raw.ts';

const MESSAGE = craft();
const HALVES = splitHalves(MESSAGE);
const ENVELOPE_END = 10 + craftHalves({}).envelope.length;
const body = MESSAGE.subarray(ENVELOPE_END);
const envelope = MESSAGE.subarray(10, ENVELOPE_END);
const flip = (bytes: Uint8Array, at: number, bit = 1): Uint8Array => bytes.with(at, (bytes.at(at) ?? 0) ^ bit);

const notAMessage = (name: string, input: Uint8Array): InvalidCase => ({
  name: `magic: ${name}`,
  clause: '§1.1',
  code: 'ERR_NOT_A_MESSAGE',
  input,
});
const tooLong = (length: number): InvalidCase => ({
  name: `framing: envelope length ${length}`,
  clause: '§1.3',
  code: 'ERR_LIMIT_EXCEEDED',
  input: concat(utf8('bulla'), Uint8Array.of(1), u32(length)),
});
const cut = (length: number): InvalidCase => {
  const [clause, code] = length < 5 ? (['§1.1', 'ERR_NOT_A_MESSAGE'] as const) : (['§1.3', 'ERR_TRUNCATED'] as const);
  return { name: `truncated: ${length} of ${MESSAGE.length} bytes`, clause, code, input: MESSAGE.slice(0, length) };
};
const cutBody = (length: number): InvalidCase => ({
  name: `truncated: ${length} of ${MESSAGE.length} bytes`,
  clause: length - ENVELOPE_END < 16 ? '§6.3' : '§6.4',
  code: 'ERR_DECRYPTION_FAILED',
  input: MESSAGE.slice(0, length),
});
/** The right message with another envelope length. */
const declared = (length: number): Uint8Array => concat(utf8('bulla'), Uint8Array.of(1), u32(length), envelope, body);

const framing: InvalidCase[] = [
  notAMessage('another first byte', flip(MESSAGE, 0)),
  notAMessage('another last byte', flip(MESSAGE, 4, 2)),
  notAMessage('in capitals', concat(utf8('BULLA'), MESSAGE.subarray(5))),
  notAMessage('of a detached envelope', HALVES.envelope),
  notAMessage('of a detached body', HALVES.body),
  notAMessage('a byte order mark before it', concat(Uint8Array.of(0xef, 0xbb, 0xbf), MESSAGE)),
  notAMessage('a zero byte before it', concat(new Uint8Array(1), MESSAGE)),
  notAMessage(
    'the text form as bytes',
    utf8(encodeText('bulla', MESSAGE)).map((byte, at) => (at === 4 ? 0x62 : byte)),
  ),
  notAMessage('plain text', utf8('attack at dawn')),
  notAMessage('zero bytes', new Uint8Array(100)),
  ...[0, 2, 3, 0x31, 0x80, 0xff].map(
    (version): InvalidCase => ({
      name: `version ${version}`,
      clause: '§1.2',
      code: 'ERR_UNSUPPORTED_VERSION',
      input: MESSAGE.with(5, version),
    }),
  ),
  {
    name: 'version: the text form as bytes',
    clause: '§1.2',
    code: 'ERR_UNSUPPORTED_VERSION',
    input: utf8(encodeText('bulla', MESSAGE)),
  },
  {
    name: 'version 2 at the end of the input',
    clause: '§1.2',
    code: 'ERR_UNSUPPORTED_VERSION',
    input: Uint8Array.of(...utf8('bulla'), 2),
  },
  ...[1_048_577, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1].map(tooLong),
  ...[0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 60, ENVELOPE_END - 34, ENVELOPE_END - 33, ENVELOPE_END - 1].map(cut),
  ...[0, 1, 15, 16, 17, body.length - 1].map((length) => cutBody(ENVELOPE_END + length)),
  { name: 'framing: envelope length 0', clause: '§2.1', code: 'ERR_MALFORMED', input: declared(0) },
  {
    name: 'framing: envelope length one too low',
    clause: '§2.2g',
    code: 'ERR_MALFORMED',
    input: declared(envelope.length - 1),
  },
  {
    name: 'framing: envelope length beyond the end',
    clause: '§1.3',
    code: 'ERR_TRUNCATED',
    input: declared(envelope.length + body.length + 1),
  },
  {
    name: 'framing: envelope length 1,048,576 of a short input',
    clause: '§1.3',
    code: 'ERR_TRUNCATED',
    input: declared(1_048_576),
  },
  {
    name: 'framing: envelope length little-endian',
    clause: '§1.3',
    code: 'ERR_LIMIT_EXCEEDED',
    input: concat(utf8('bulla'), Uint8Array.of(1), u32(envelope.length).reverse(), envelope, body),
  },
];

const TEXT = encodeText('bulla', MESSAGE);
/** A message whose text form ends with bits that could be set. */
const UNEVEN = [0, 1, 2].map((n) => craft({ plaintext: utf8('attack at dawn').subarray(0, 12 + n) }));
const uneven = (rest: number): string =>
  encodeText('bulla', UNEVEN.find(({ length }) => length % 3 === rest) ?? MESSAGE);
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
/** The last character with its lowest bit set. */
const withBit = (text: string): string => `${text.slice(0, -1)}${ALPHABET[ALPHABET.indexOf(text.at(-1) ?? '') | 1]}`;
const malformedText = (name: string, input: string, ...also: string[]): InvalidCase => ({
  name: `text: ${name}`,
  clause: '§1.6',
  also,
  code: 'ERR_MALFORMED',
  input,
});
const noText = (name: string, input: string, ...also: string[]): InvalidCase => ({
  name: `text: ${name}`,
  clause: '§1.6',
  also,
  code: 'ERR_NOT_A_MESSAGE',
  input,
});

const texts: InvalidCase[] = [
  noText('empty', ''),
  noText('no prefix', TEXT.slice(7)),
  noText('prefix alone without its dot', 'bulla1'),
  noText('prefix of version 2', `bulla2.${TEXT.slice(7)}`),
  noText('prefix without a version', `bulla.${TEXT.slice(7)}`),
  noText('prefix in capitals', `BULLA1.${TEXT.slice(7)}`),
  noText('prefix with a colon', `bulla1:${TEXT.slice(7)}`),
  noText('white space alone', '\ufeff \r\n\t'),
  noText('two byte order marks before the prefix', `\ufeff\ufeff${TEXT}`, '§1.7'),
  noText('byte order mark behind white space', ` \ufeff${TEXT}`, '§1.7'),
  noText('no-break space before the prefix', `\u00a0${TEXT}`, '§1.7'),
  noText('prefix of a detached envelope', encodeText('bulle', HALVES.envelope)),
  noText('prefix of a detached body', `bullb1.${TEXT.slice(7)}`),
  malformedText('nothing behind the prefix', 'bulla1.'),
  ...['\v', '\f', '\u0085', '\u00a0', '\u2028', '\u3000', '\u200b', '\ufeff'].flatMap((blank) => {
    const name = `U+${blank.charCodeAt(0).toString(16).padStart(4, '0')}`;
    return [
      malformedText(`${name} at the end`, `${TEXT}${blank}`, '§1.7'),
      malformedText(`${name} in the middle`, `${TEXT.slice(0, 76)}${blank}${TEXT.slice(76)}`, '§1.7'),
    ];
  }),
  malformedText('folded, a length of 1 modulo 4', `${uneven(0).slice(0, 40)}\n${uneven(0).slice(40)}A\n`, '§1.7'),
  malformedText('folded, with padding', `${uneven(2).slice(0, 40)}\r\n${uneven(2).slice(40)}=\r\n`, '§1.7'),
  malformedText('zero character at the end', `${TEXT}\u0000`),
  malformedText('one padding character', `${uneven(2)}=`),
  malformedText('two padding characters', `${uneven(1)}==`),
  malformedText('padding where none is needed', `${uneven(0)}=`),
  malformedText('padding in the middle', `${TEXT.slice(0, 27)}=${TEXT.slice(28)}`),
  malformedText('alphabet of base64, plus', `${TEXT.slice(0, 40)}+${TEXT.slice(41)}`),
  malformedText('alphabet of base64, slash', `${TEXT.slice(0, 40)}/${TEXT.slice(41)}`),
  malformedText('dot in the middle', `${TEXT.slice(0, 40)}.${TEXT.slice(41)}`),
  malformedText('letter that is not ASCII', `${TEXT.slice(0, 40)}\u00e9${TEXT.slice(41)}`),
  malformedText('letter that is ASCII in its low byte', `${TEXT.slice(0, 40)}\u0141${TEXT.slice(41)}`),
  malformedText('full-width letter', `${TEXT.slice(0, 40)}\uff21${TEXT.slice(41)}`),
  malformedText('length 1 modulo 4', `${uneven(0)}A`),
  malformedText('last four bits not zero', withBit(uneven(1))),
  malformedText('last two bits not zero', withBit(uneven(2))),
  malformedText('magic of a detached envelope', encodeText('bulla', HALVES.envelope)),
  malformedText('magic of a detached body', encodeText('bulla', HALVES.body)),
  malformedText('another magic', encodeText('bulla', flip(MESSAGE, 2))),
  malformedText('shorter than a magic', encodeText('bulla', utf8('bull'))),
  {
    name: 'text: version byte 2',
    clause: '§1.2',
    code: 'ERR_UNSUPPORTED_VERSION',
    input: encodeText('bulla', MESSAGE.with(5, 2)),
  },
  { name: 'text: magic alone', clause: '§1.3', code: 'ERR_TRUNCATED', input: encodeText('bulla', utf8('bulla')) },
  {
    name: 'text: truncated in the envelope',
    clause: '§1.3',
    code: 'ERR_TRUNCATED',
    input: encodeText('bulla', MESSAGE.subarray(0, 90)),
  },
  {
    name: 'text: truncated in the body',
    clause: '§6.4',
    code: 'ERR_DECRYPTION_FAILED',
    input: encodeText('bulla', MESSAGE.subarray(0, -3)),
  },
];

const half = (
  name: string,
  clause: string,
  code: InvalidCase['code'],
  change: { envelope?: Uint8Array; body?: Uint8Array },
): InvalidCase => ({ name: `detached: ${name}`, clause, code, input: { ...HALVES, ...change } });
const halfText = (name: string, clause: string, code: InvalidCase['code'], text: string): InvalidCase => ({
  name: `detached: ${name}`,
  clause,
  code,
  input: { text, body: HALVES.body },
});
const other = splitHalves(
  craft({ salt: random('another salt', 32), header: encodeFields(HEADER.with(1, len(2, random('another salt', 32)))) }),
);

const detached: InvalidCase[] = [
  half('body appended to the envelope', '§1.5', 'ERR_MALFORMED', { envelope: concat(HALVES.envelope, body) }),
  half('a zero byte behind the envelope', '§1.5', 'ERR_MALFORMED', {
    envelope: concat(HALVES.envelope, new Uint8Array(1)),
  }),
  half('message in place of the envelope', '§1.5', 'ERR_NOT_A_MESSAGE', { envelope: MESSAGE }),
  half('body in place of the envelope', '§1.5', 'ERR_NOT_A_MESSAGE', { envelope: HALVES.body }),
  half('empty envelope half', '§1.5', 'ERR_NOT_A_MESSAGE', { envelope: new Uint8Array() }),
  half('envelope half of version 2', '§1.5', 'ERR_UNSUPPORTED_VERSION', { envelope: HALVES.envelope.with(5, 2) }),
  half('envelope half without its version', '§1.3', 'ERR_TRUNCATED', { envelope: utf8('bulle') }),
  half('envelope half without its length', '§1.3', 'ERR_TRUNCATED', { envelope: HALVES.envelope.slice(0, 8) }),
  half('last byte of the envelope missing', '§1.3', 'ERR_TRUNCATED', { envelope: HALVES.envelope.slice(0, -1) }),
  half('envelope half too long', '§1.3', 'ERR_LIMIT_EXCEEDED', {
    envelope: concat(utf8('bulle'), Uint8Array.of(1), u32(1_048_577)),
  }),
  half('envelope in place of the body', '§1.5', 'ERR_NOT_A_MESSAGE', { body: HALVES.envelope }),
  half('message in place of the body', '§1.5', 'ERR_NOT_A_MESSAGE', { body: MESSAGE }),
  half('segments without a magic', '§1.5', 'ERR_NOT_A_MESSAGE', { body: HALVES.body.slice(6) }),
  half('empty body half', '§1.5', 'ERR_NOT_A_MESSAGE', { body: new Uint8Array() }),
  half('body half of four bytes', '§1.5', 'ERR_NOT_A_MESSAGE', { body: HALVES.body.slice(0, 4) }),
  half('body half without its version', '§1.5', 'ERR_TRUNCATED', { body: HALVES.body.slice(0, 5) }),
  ...[0, 2, 255].map((version) =>
    half(`body half of version ${version}`, '§1.5', 'ERR_UNSUPPORTED_VERSION', { body: HALVES.body.with(5, version) }),
  ),
  half('body without segments', '§6.3', 'ERR_DECRYPTION_FAILED', { body: HALVES.body.slice(0, 6) }),
  half('last segment of 15 bytes', '§6.3', 'ERR_DECRYPTION_FAILED', { body: HALVES.body.slice(0, 21) }),
  half('last byte of the body missing', '§6.4', 'ERR_DECRYPTION_FAILED', { body: HALVES.body.slice(0, -1) }),
  half('a byte appended to the body', '§6.4', 'ERR_DECRYPTION_FAILED', {
    body: concat(HALVES.body, new Uint8Array(1)),
  }),
  half('body of another message', '§6.4', 'ERR_DECRYPTION_FAILED', { body: other.body }),
  halfText('text of a message', '§1.6', 'ERR_NOT_A_MESSAGE', TEXT),
  halfText('text with the magic of a message', '§1.6', 'ERR_MALFORMED', encodeText('bulle', MESSAGE)),
  halfText('text with padding', '§1.6', 'ERR_MALFORMED', `${encodeText('bulle', HALVES.envelope)}=`),
  halfText(
    'text with bytes behind the envelope',
    '§1.5',
    'ERR_MALFORMED',
    encodeText('bulle', concat(HALVES.envelope, new Uint8Array(3))),
  ),
];

/** A header that replaces the one which the commitment and the segments were made with. */
const exchanged = (name: string, header: Uint8Array, context = CONTEXT): InvalidCase => ({
  name: `header exchanged: ${name}`,
  clause: '§5.5',
  code: 'ERR_DECRYPTION_FAILED',
  input: craft({ envelope: (fields) => encodeFields(fields.with(0, len(1, header))) }),
  context,
});
const withField = (index: number, field: Field): Uint8Array => encodeFields(HEADER.with(index, field));
const committed = (name: string, parts: Parts): InvalidCase => ({
  name: `commitment: ${name}`,
  clause: '§5.5',
  code: 'ERR_DECRYPTION_FAILED',
  input: craft(parts),
});
const withCommitment = (change: (commitment: Uint8Array) => Uint8Array): Parts => ({
  envelope: (fields) => encodeFields(fields.with(2, len(3, change(fields[2]?.value as Uint8Array)))),
});
const otherDataKey = random('another data key', 32);

const headers: InvalidCase[] = [
  exchanged('a bit of the salt', withField(1, len(2, flip(SALT, 31)))),
  exchanged('segment size', withField(2, num(3, 13))),
  exchanged('created one second later', withField(3, num(4, 1_790_000_001))),
  exchanged('key use', withField(4, num(5, 2))),
  exchanged('context name, and the reader’s', withField(6, len(6, 'c')), [
    ['a', '1'],
    ['c', '2'],
  ]),
  exchanged('context names gone, and the reader’s', encodeFields(HEADER.filter(({ number }) => number !== 6)), []),
  exchanged('content type', withField(7, len(7, 'text/html'))),
  exchanged('content type gone', encodeFields(HEADER.toSpliced(7, 1))),
  exchanged('metadata value', withField(8, len(8, pair('m', '2')))),
  exchanged('metadata name', withField(8, len(8, pair('k', '1')))),
  exchanged('metadata pair gone', encodeFields(HEADER.slice(0, -1))),
  exchanged('metadata pair more', encodeFields([...HEADER, len(8, pair('o', ''))])),
  exchanged('ignored field more', encodeFields([...HEADER, len(1024, 'x')])),
  committed(
    'first bit flipped',
    withCommitment((bytes) => flip(bytes, 0, 0x80)),
  ),
  committed(
    'last bit flipped',
    withCommitment((bytes) => flip(bytes, 31)),
  ),
  committed(
    'all zeros',
    withCommitment((bytes) => bytes.map(() => 0)),
  ),
  committed(
    'the message key in its place',
    withCommitment(() => deriveMessageKeys(DATA_KEY, SALT, encodeFields(HEADER), encodeMap(CONTEXT)).messageKey),
  ),
  committed(
    'that of another data key',
    withCommitment(() => deriveMessageKeys(otherDataKey, SALT, encodeFields(HEADER), encodeMap(CONTEXT)).commitment),
  ),
  committed('wrapped key of another data key', { wrapped: [wrapFor('aes', {}, otherDataKey)] }),
  committed('wrapped key of another data key, by rsa', { wrapped: [wrapFor('rsa', {}, otherDataKey)] }),
].map((each) => (each.name.endsWith('by rsa') ? { ...each, keys: [KEYS.rsa] } : each));

const given = (name: string, code: InvalidCase['code'], context: Pair[], input = MESSAGE): InvalidCase => ({
  name: `context: ${name}`,
  clause: code === 'ERR_CONTEXT_MISMATCH' ? '§3.7' : '§5.5',
  code,
  input,
  context,
});
const [MISMATCH, FAILED] = ['ERR_CONTEXT_MISMATCH', 'ERR_DECRYPTION_FAILED'] as const;
const inContext = (...context: Pair[]): Uint8Array =>
  craft({ context, header: encodeFields(HEADER.toSpliced(5, 2, ...context.map(([name]) => len(6, name)))) });

const contexts: InvalidCase[] = [
  given('none', MISMATCH, []),
  given('first pair missing', MISMATCH, [['b', '2']]),
  given('last pair missing', MISMATCH, [['a', '1']]),
  given('a pair too many', MISMATCH, [
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ]),
  given('a name changed', MISMATCH, [
    ['a', '1'],
    ['B', '2'],
  ]),
  given('a name with white space', MISMATCH, [
    ['a', '1'],
    ['b ', '2'],
  ]),
  given('given for a message without', MISMATCH, [['a', '1']], inContext()),
  given('decomposed name for a composed one', MISMATCH, [['e\u0301', '1']], inContext(['\u00e9', '1'])),
  given('name without its byte order mark', MISMATCH, [['a', '1']], inContext(['\ufeffa', '1'])),
  { ...given('missing, and no key for the message either', MISMATCH, []), keys: [{ ...KEYS.aes, keyId: 'other' }] },
  given('a value changed', FAILED, [
    ['a', '1'],
    ['b', '3'],
  ]),
  given('values exchanged', FAILED, [
    ['a', '2'],
    ['b', '1'],
  ]),
  given('value empty', FAILED, [
    ['a', '1'],
    ['b', ''],
  ]),
  given('value with white space', FAILED, [
    ['a', '1'],
    ['b', '2 '],
  ]),
  given('decomposed value for a composed one', FAILED, [['a', 'e\u0301']], inContext(['a', '\u00e9'])),
  given('value without its byte order mark', FAILED, [['a', '1']], inContext(['a', '\ufeff1'])),
  given(
    'names bound in the order of UTF-16 code units',
    FAILED,
    [
      ['\uff5e', '2'],
      ['\u{10000}', '1'],
    ],
    boundInWrongOrder(),
  ),
  given('not bound at all', FAILED, [...CONTEXT], craft({ context: [] })),
];

/** A message whose writer encoded the map in the order of UTF-16 code units. */
function boundInWrongOrder(): Uint8Array {
  const header = encodeFields(HEADER.toSpliced(5, 2, len(6, '\uff5e'), len(6, '\u{10000}')));
  const map = concat(u32(2), ...['\u{10000}', '1', '\uff5e', '2'].map((text) => lp(utf8(text))));
  return craft({ header, map });
}

const renamedKeys: InvalidCase[] = [
  { name: 'keys: none', clause: '§7.5', code: 'ERR_NO_MATCHING_KEY', input: MESSAGE, keys: [] },
  {
    name: 'keys: another key id',
    clause: '§7.5',
    code: 'ERR_NO_MATCHING_KEY',
    input: MESSAGE,
    keys: [{ ...KEYS.aes, keyId: 'aes-2' }],
  },
  {
    name: 'keys: another method',
    clause: '§7.5',
    code: 'ERR_NO_MATCHING_KEY',
    input: MESSAGE,
    keys: [KEYS.ecdh, KEYS.rsa],
  },
  {
    name: 'keys: a wrong key of the right name',
    clause: '§7.5',
    code: 'ERR_DECRYPTION_FAILED',
    input: MESSAGE,
    keys: [{ ...KEYS.aes, key: 'aes-2' }],
  },
  {
    name: 'keys: a wrong private key of the right name',
    clause: '§7.5',
    code: 'ERR_DECRYPTION_FAILED',
    input: craft({ wrapped: [wrapFor('ecdh')] }),
    keys: [{ ...KEYS.ecdh, key: 'bob' }],
  },
  {
    name: 'keys: another version of the service’s key',
    clause: '§7.5',
    code: 'ERR_DECRYPTION_FAILED',
    input: craft({ wrapped: [wrapFor('service-ecdh')] }),
    keys: [{ ...KEYS['service-ecdh'], key: 'service-key-v2' }],
  },
  {
    name: 'keys: another service id',
    clause: '§7.5',
    code: 'ERR_NO_MATCHING_KEY',
    input: craft({ wrapped: [wrapFor('service-ecdh')] }),
    keys: [{ ...KEYS['service-ecdh'], serviceId: 'kms.example.org' }],
  },
  {
    name: 'keys: key id in capitals',
    clause: '§7.5',
    code: 'ERR_NO_MATCHING_KEY',
    input: MESSAGE,
    keys: [{ ...KEYS.aes, keyId: 'AES-1' }],
  },
  {
    name: 'keys: unknown methods alone',
    clause: '§7.5',
    code: 'ERR_NO_MATCHING_KEY',
    input: craft({ wrapped: [22, 127].map((number) => encodeFields([len(1, 'aes-1'), len(number, 'x')])) }),
  },
  {
    name: 'keys: ecdh taken for service-ecdh',
    clause: '§7.5',
    code: 'ERR_DECRYPTION_FAILED',
    input: craft({ wrapped: [asServiceKey()] }),
    keys: [{ ...KEYS['service-ecdh'], key: 'alice' }],
  },
];

/** The method message of an ecdh entry, put into one of service-ecdh. */
function asServiceKey(): Uint8Array {
  const value = split(wrapFor('ecdh')).find(({ number }) => number === METHODS.ecdh.number)?.value as Uint8Array;
  return withMethodBody(wrapFor('service-ecdh'), 'service-ecdh', value);
}

const S = 4096 + 16;
const LONG = Uint8Array.from({ length: 2 * 4096 + 100 }, (_, index) => index % 251);
const part = (bytes: Uint8Array, index: number): Uint8Array => bytes.subarray(index * S, (index + 1) * S);
const parts = (bytes: Uint8Array): [Uint8Array, Uint8Array, Uint8Array] => [
  part(bytes, 0),
  part(bytes, 1),
  part(bytes, 2),
];
const foreign = parts(
  craftHalves({
    plaintext: LONG,
    header: encodeFields(HEADER.with(1, len(2, random('foreign', 32)))),
    salt: random('foreign', 32),
  }).body,
);

/** Clauses that some of these show besides. */
const alsoOf = (name: string): string[] => [
  ...(name.includes('appended') ? ['§1.4'] : []),
  ...(/dropped|full/.test(name) ? ['§6.5'] : []),
];
const segments = (
  name: string,
  change: (a: Uint8Array, b: Uint8Array, c: Uint8Array) => Uint8Array[],
  clause = '§6.4',
): InvalidCase => ({
  name: `segments: ${name}`,
  clause,
  also: alsoOf(name),
  code: 'ERR_DECRYPTION_FAILED',
  input: craft({ plaintext: LONG, body: (bytes) => concat(...change(...parts(bytes))) }),
});
const { messageKey } = craftHalves({});
const sealed = (
  index: number,
  length: number,
  nonce = segmentNonce(index),
  aad: Uint8Array = new Uint8Array(),
): Uint8Array => gcmSeal(messageKey, nonce, aad, LONG.subarray(index * 4096, index * 4096 + length));
const byMistake = (name: string, clause: string, ...made: Uint8Array[]): InvalidCase => ({
  name: `segments: ${name}`,
  clause,
  also: alsoOf(name),
  code: 'ERR_DECRYPTION_FAILED',
  input: craft({ body: () => concat(...made) }),
});

const bodies: InvalidCase[] = [
  segments('first two exchanged', (a, b, c) => [b, a, c]),
  segments('first repeated', (a, b, c) => [a, a, b, c]),
  segments('first in place of the second', (a, _, c) => [a, a, c]),
  segments('first dropped', (_, b, c) => [b, c]),
  segments('second dropped', (a, _, c) => [a, c]),
  segments('last alone', (_a, _b, c) => [c]),
  segments('last dropped', (a, b) => [a, b], '§6.3'),
  segments('last two dropped', (a) => [a], '§6.3'),
  segments('all dropped', () => [], '§6.3'),
  segments('last repeated', (a, b, c) => [a, b, c, c]),
  segments('last before the others', (a, b, c) => [c, a, b]),
  segments('first of another message with the same data key', (_, b, c) => [foreign[0], b, c]),
  segments('second of another message with the same data key', (a, _, c) => [a, foreign[1], c]),
  segments('last of another message with the same data key', (a, b) => [a, b, foreign[2]]),
  segments('a full segment cut to a last one', (a, b) => [a, b.subarray(0, -1)]),
  segments('a full segment cut to a tag', (a, b) => [a, b.subarray(-16)]),
  segments('last cut to 16 bytes', (a, b, c) => [a, b, c.subarray(0, 16)]),
  segments('last cut to 15 bytes', (a, b, c) => [a, b, c.subarray(0, 15)], '§6.3'),
  segments('last cut to 1 byte', (a, b, c) => [a, b, c.subarray(0, 1)], '§6.3'),
  segments('first byte of the body missing', (a, b, c) => [a.subarray(1), b, c]),
  segments('a byte missing in the middle', (a, b, c) => [a, b.subarray(0, 2000), b.subarray(2001), c]),
  segments('a byte inserted in the middle', (a, b, c) => [
    a,
    b.subarray(0, 2000),
    new Uint8Array(1),
    b.subarray(2000),
    c,
  ]),
  segments('a byte appended', (a, b, c) => [a, b, c, new Uint8Array(1)]),
  segments('16 bytes appended', (a, b, c) => [a, b, c, new Uint8Array(16)]),
  segments('a message appended', (a, b, c) => [a, b, c, MESSAGE]),
  segments('a bit of the first ciphertext flipped', (a, b, c) => [flip(a, 0), b, c]),
  segments('a bit of the first tag flipped', (a, b, c) => [flip(a, S - 1, 0x80), b, c]),
  segments('a bit of the second ciphertext flipped', (a, b, c) => [a, flip(b, 2048), c]),
  segments('a bit of the last ciphertext flipped', (a, b, c) => [a, b, flip(c, 0)]),
  segments('a bit of the last tag flipped', (a, b, c) => [a, b, flip(c, c.length - 16)]),
  segments('tags exchanged', (a, b, c) => [
    a.subarray(0, -16),
    b.subarray(-16),
    b.subarray(0, -16),
    a.subarray(-16),
    c,
  ]),
  byMistake('a full one is the last', '§6.3', sealed(0, 4096)),
  byMistake('two full ones, and no last', '§6.3', sealed(0, 4096), sealed(1, 4096)),
  byMistake('a last one behind a short one', '§6.4', sealed(0, 4095), sealed(1, 10)),
  byMistake('a last one longer than a full one', '§6.3', sealed(0, 4097)),
  byMistake('counted from 1', '§6.4', sealed(0, 10, segmentNonce(1))),
  byMistake(
    'counted in little-endian',
    '§6.4',
    sealed(0, 4096),
    sealed(1, 10, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)),
  ),
  byMistake(
    'index at the beginning of the nonce',
    '§6.4',
    sealed(0, 4096),
    sealed(1, 10, concat(u32(1), new Uint8Array(8))),
  ),
  byMistake('last one with a flag in the nonce', '§6.4', sealed(0, 10, concat(u32(0), u32(1), u32(0)))),
  byMistake('sealed with additional data', '§6.4', sealed(0, 10, segmentNonce(0), encodeFields(HEADER))),
  byMistake('tag before the ciphertext', '§6.4', sealed(0, 10).subarray(10), sealed(0, 10).subarray(0, 10)),
  byMistake('tag of 12 bytes', '§6.4', sealed(0, 10).subarray(0, -4)),
  byMistake('plaintext in place of a segment', '§6.4', utf8('attack at dawn, and not before')),
  byMistake('sealed under the data key', '§6.4', sealSegments(DATA_KEY, 12, utf8('attack at dawn'))),
  byMistake('segments of 2^13 bytes where the header says 2^12', '§6.4', sealSegments(messageKey, 13, LONG)),
];

export const INVALID_MESSAGES: readonly InvalidCase[] = [
  ...framing,
  ...texts,
  ...detached,
  ...headers,
  ...contexts,
  ...renamedKeys,
  ...bodies,
];

// Invalid vectors of the envelope's encoding: every rule of §2.2 broken in every message of the schema.

import { concat, type Field, METHODS, type Method, split, utf8 } from '../bulla.ts';
import type { VectorKey } from '../vectors.ts';
import { craft, HEADER, type InvalidCase, KEYS, serviceEntry, withMethodBody, wrapFor } from './craft.ts';
import { random } from './material.ts';
import { encodeField, encodeFields, len, longVarint, num, pair, tag, varint } from './raw.ts';

/** A message of the schema: its right fields, the clause that requires them, and how its bytes are put in place. */
interface Level {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly embed: (bytes: Uint8Array) => Uint8Array;
  readonly required: Readonly<Record<number, string>>;
  /** Byte fields of a fixed length and the clause of it. */
  readonly fixed?: Readonly<Record<number, string>>;
  readonly repeated?: readonly number[];
  /** Optional fields that are absent, as they would be written. */
  readonly absent?: readonly Field[];
  readonly unknown: readonly number[];
  readonly keys?: readonly VectorKey[];
}

/** The last field of a message is replaced by other bytes: a pair, a method. */
const lastReplaced = (fields: readonly Field[], value: Uint8Array): Uint8Array =>
  encodeFields(fields.map((each, index) => (index === fields.length - 1 ? { ...each, value } : each)));

const aesKey = split(wrapFor('aes'));
const wrappedWith = (number: number, value: Uint8Array): Uint8Array => {
  const first = aesKey.findIndex((each) => each.number === number);
  return craft({ wrapped: [encodeFields(aesKey.map((each, index) => (index === first ? { ...each, value } : each)))] });
};

const LEVELS: readonly Level[] = [
  {
    name: 'Envelope',
    fields: envelopeFields(),
    embed: (bytes) => craft({ envelope: () => bytes }),
    required: { 1: '§2.1', 2: '§2.1', 3: '§2.1' },
    fixed: { 3: '§2.1' },
    repeated: [2],
    unknown: [4, 5, 15, 16, 1024],
  },
  {
    name: 'Header',
    fields: HEADER,
    embed: (bytes) => craft({ header: bytes }),
    required: { 1: '§3.1', 2: '§3.1', 3: '§3.1', 4: '§3.1', 5: '§3.1' },
    fixed: { 2: '§3.1' },
    repeated: [6, 8],
    unknown: [9, 10, 11, 12, 13, 14, 15, 16, 1023],
  },
  {
    name: 'Pair of metadata',
    fields: [len(1, 'n'), len(2, '2')],
    embed: (bytes) => craft({ header: lastReplaced(HEADER, bytes) }),
    required: { 1: '§3.4' },
    unknown: [3, 1024],
  },
  {
    name: 'WrappedKey',
    fields: aesKey,
    embed: (bytes) => craft({ wrapped: [bytes] }),
    required: { 1: '§7.1', 18: '§7.2' },
    absent: [len(3, '')],
    repeated: [4],
    unknown: [5, 6, 15, 128, 1024],
  },
  {
    name: 'Pair of the key context',
    fields: [len(1, 'p'), len(2, '1')],
    embed: (bytes) => wrappedWith(4, bytes),
    required: { 1: '§7.1' },
    unknown: [3, 1024],
  },
  method('ecdh', 3),
  method('service-ecdh', 3),
  method('aes', 3),
  method('rsa', 2, {}),
  method('kms', 2, {}, { 1: '§7.1' }),
  method('passphrase', 4, { 1: '§7.1', 3: '§7.1' }, { 1: '§7.1', 2: '§8.5', 3: '§7.1' }),
  {
    name: 'service',
    fields: split(bodyOf(serviceEntry(), 'service')),
    embed: (bytes) => craft({ wrapped: [withMethodBody(serviceEntry(), 'service', bytes), wrapFor('aes')] }),
    required: { 1: '§7.1' },
    unknown: [2, 1024],
  },
];

function envelopeFields(): Field[] {
  let fields: Field[] = [];
  craft({
    envelope: (each) => {
      fields = each;
      return new Uint8Array();
    },
  });
  return fields;
}

function bodyOf(wrapped: Uint8Array, name: Method): Uint8Array {
  const body = split(wrapped).find(({ number }) => number === METHODS[name].number)?.value;
  return body instanceof Uint8Array ? body : new Uint8Array();
}

function method(
  name: keyof typeof KEYS,
  unknown: number,
  fixed: Level['fixed'] = { 1: '§7.1', 2: '§7.1' },
  required = fixed,
): Level {
  const wrapped = wrapFor(name);
  return {
    name,
    fields: split(bodyOf(wrapped, name)),
    embed: (bytes) => craft({ wrapped: [withMethodBody(wrapped, name, bytes)] }),
    required: name === 'rsa' ? { 1: '§8.4' } : required,
    fixed,
    unknown: [unknown, 1024],
    keys: [KEYS[name]],
  };
}

type Broken = readonly [name: string, clause: string, bytes: Uint8Array];

/** A field with the bytes before its value replaced: another tag, another length. */
function rewritten(
  { number, wire, value }: Field,
  change: { tag?: Uint8Array; prefix?: (length: number) => Uint8Array },
): Uint8Array {
  const payload = typeof value === 'bigint' ? varint(value) : value;
  const prefix = typeof value === 'bigint' ? new Uint8Array() : (change.prefix ?? varint)(value.length);
  return concat(change.tag ?? tag(number, wire), prefix, payload);
}

function* malformed({ fields, required, fixed = {}, absent = [], repeated = [] }: Level): Generator<Broken> {
  const encoded = fields.map(encodeField);
  const put = (index: number, ...bytes: Uint8Array[]): Uint8Array => concat(...encoded.with(index, concat(...bytes)));
  const whole = concat(...encoded);
  const last = fields.length - 1;
  const numbers = fields.map(({ number }) => number);
  for (const [index, each] of fields.entries()) {
    const { number, wire, value } = each;
    if (numbers.indexOf(number) !== index) continue;
    const own = encoded[index] ?? new Uint8Array();
    yield [
      `field ${number}, tag one byte too long`,
      '§2.2a',
      put(index, rewritten(each, { tag: longVarint(number * 8 + wire) })),
    ];
    if (typeof value === 'bigint') {
      yield [`field ${number}, value one byte too long`, '§2.2a', put(index, tag(number, 0), longVarint(value))];
      yield [
        `field ${number}, value in ten bytes`,
        '§2.2a',
        put(index, tag(number, 0), longVarint(value, 10 - varint(value).length)),
      ];
      yield [`field ${number}, value 2^32 too high`, '§2.2e', put(index, tag(number, 0), varint(value + 2n ** 32n))];
      yield [`field ${number}, value 2^64 too high`, '§2.2a', put(index, tag(number, 0), varint(value + 2n ** 64n))];
      yield [`field ${number} as bytes`, '§2.2c', put(index, encodeField(len(number, varint(value))))];
      yield [
        `field ${number} as 32 bits`,
        '§2.2c',
        put(index, tag(number, 5), Uint8Array.of(Number(value & 0xffn) || 1, 0, 0, 0)),
      ];
    } else {
      yield [
        `field ${number}, length one byte too long`,
        '§2.2a',
        put(index, rewritten(each, { prefix: (n) => longVarint(n) })),
      ];
      yield [`field ${number} as a varint`, '§2.2c', put(index, encodeField(num(number, 1)))];
      const twice = repeated.includes(number) ? '§2.2c' : required[number] === '§7.2' ? '§7.2' : '§2.2b';
      yield [`field ${number} as a varint before the right one`, twice, put(index, encodeField(num(number, 1)), own)];
      yield [`field ${number} as 64 bits`, '§2.2c', put(index, tag(number, 1), new Uint8Array(8).fill(1))];
    }
    const empty = encodeField(typeof value === 'bigint' ? num(number, 0) : len(number, ''));
    yield [`field ${number} with its default`, '§2.2d', put(index, empty)];
    const clause = required[number];
    const rest = fields.filter((field) => field.number !== number);
    if (clause !== undefined && rest.length > 0) yield [`without field ${number}`, clause, encodeFields(rest)];
    const length = fixed[number];
    if (length !== undefined && value instanceof Uint8Array) {
      yield [`field ${number} one byte too short`, length, put(index, encodeField(len(number, value.slice(0, -1))))];
      yield [
        `field ${number} one byte too long`,
        length,
        put(index, encodeField(len(number, concat(value, Uint8Array.of(0))))),
      ];
    }
  }
  for (const field of absent) {
    const index = numbers.findIndex((number) => number > field.number);
    yield [
      `field ${field.number} present with its default`,
      '§2.2d',
      put(index, encodeField(field), encoded[index] ?? new Uint8Array()),
    ];
  }
  const tail = fields[last] ?? num(1, 1);
  for (const wire of [3, 4, 6, 7]) {
    const group = wire === 3 ? tag(tail.number, 4) : Uint8Array.of(0, 0, 0, 1);
    yield [`wire type ${wire}`, '§2.2c', concat(whole, tag(tail.number, wire), wire === 4 ? new Uint8Array() : group)];
  }
  if (fields.length > 1) {
    const order = [...encoded.slice(1, 2), ...encoded.slice(0, 1), ...encoded.slice(2)];
    yield ['first two fields in the wrong order', '§2.2b', concat(...order)];
    yield ['first field again at the end', '§2.2b', concat(whole, encoded[0] ?? new Uint8Array())];
  }
  const [beforeLast = new Uint8Array(), lastEncoded = new Uint8Array()] = encoded.slice(-2);
  if (fields.length > 2 && numbers.at(-2) !== numbers.at(-1)) {
    yield ['last two fields in the wrong order', '§2.2b', concat(...encoded.slice(0, -2), lastEncoded, beforeLast)];
  }
  for (const number of repeated.filter((each) => each !== tail.number)) {
    const first = numbers.indexOf(number);
    yield [
      `first field ${number} behind all others`,
      '§2.2b',
      concat(...encoded.toSpliced(first, 1), encoded[first] ?? new Uint8Array()),
    ];
  }
  yield ['first field twice', '§2.2b', put(0, encoded[0] ?? new Uint8Array(), encoded[0] ?? new Uint8Array())];
  yield ['field number 0', '§2.2h', concat(tag(0, 0), Uint8Array.of(1), whole)];
  yield ['field number 0 of bytes', '§2.2h', concat(encodeField(len(0, 'x')), whole)];
  yield ['field number 2^29', '§2.2h', concat(whole, encodeField(num(2 ** 29, 1)))];
  yield ['field number 2^29 + 1024', '§2.2h', concat(whole, encodeField(len(2 ** 29 + 1024, 'x')))];
  yield ['tag of eleven bytes', '§2.2a', concat(whole, new Uint8Array(10).fill(0xff), Uint8Array.of(1))];
  yield ['last length one too high', '§2.2g', put(last, rewritten(tail, { prefix: (n) => varint(n + 1) }))];
  yield [
    'last length 2^32 too high',
    '§2.2g',
    put(last, rewritten(tail, { prefix: (n) => varint(BigInt(n) + 2n ** 32n) })),
  ];
  yield ['last length 2^64 - 1', '§2.2g', put(last, rewritten(tail, { prefix: () => varint(2n ** 64n - 1n) }))];
  yield [
    'last length 2^64 too high',
    '§2.2a',
    put(last, rewritten(tail, { prefix: (n) => varint(BigInt(n) + 2n ** 64n) })),
  ];
  yield ['last byte missing', '§2.2g', whole.slice(0, -1)];
  yield ['unfinished tag at the end', '§2.2g', concat(whole, Uint8Array.of(0x80))];
  yield ['tag alone at the end', '§2.2g', concat(whole, tag(tail.number, 2))];
  yield ['zero byte at the end', '§2.2h', concat(whole, new Uint8Array(2))];
}

function* unknownFields({ fields, unknown }: Level): Generator<Broken> {
  for (const number of unknown) {
    const place = fields.findIndex((field) => field.number > number);
    const insert = (field: Field): Uint8Array =>
      encodeFields(fields.toSpliced(place < 0 ? fields.length : place, 0, field));
    yield [`unknown field ${number} of bytes`, '§2.3', insert(len(number, 'x'))];
    if (number === unknown[0]) yield [`unknown field ${number}, a varint`, '§2.3', insert(num(number, 1))];
  }
}

function* cases(level: Level): Generator<InvalidCase> {
  const more = level.keys === undefined ? {} : { keys: level.keys };
  for (const [name, clause, bytes] of malformed(level)) {
    yield { name: `${level.name}: ${name}`, clause, code: 'ERR_MALFORMED', input: level.embed(bytes), ...more };
  }
  const also = level.name === 'Header' ? ['§3.6'] : [];
  for (const [name, clause, bytes] of unknownFields(level)) {
    const input = level.embed(bytes);
    yield { name: `${level.name}: ${name}`, clause, also, code: 'ERR_UNSUPPORTED_FEATURE', input, ...more };
  }
}

/** What no UTF-8 string may hold. */
const BAD_UTF8: Readonly<Record<string, readonly number[]>> = {
  'byte 0xff': [0xff],
  'a continuation byte alone': [0x80],
  'an unfinished character': [0xe2, 0x82],
  'an overlong NUL': [0xc0, 0x80],
  'an overlong slash of three bytes': [0xe0, 0x80, 0xaf],
  'an overlong character of four bytes': [0xf0, 0x82, 0x82, 0xac],
  'a high surrogate': [0xed, 0xa0, 0x80],
  'a low surrogate': [0xed, 0xbf, 0xbf],
  'a surrogate pair': [0xed, 0xa0, 0xbd, 0xed, 0xb4, 0x91],
  'a character above U+10FFFF': [0xf4, 0x90, 0x80, 0x80],
};

const latin1 = Uint8Array.of(0x61, 0xe9);
const replaced = (fields: readonly Field[], index: number, value: Uint8Array): Uint8Array =>
  encodeFields(fields.with(index, { number: 0, wire: 2, ...fields[index], value }));
const withServiceId = split(wrapFor('service-ecdh'));

const strings: InvalidCase[] = [
  ...Object.entries(BAD_UTF8).map(([name, bytes]) =>
    badString(
      `value in metadata with ${name}`,
      craft({ header: lastReplaced(HEADER, pair('n', Uint8Array.from([0x61, ...bytes]))) }),
    ),
  ),
  badString(
    'name in metadata in Latin-1',
    craft({ header: lastReplaced(HEADER, pair(Uint8Array.of(0x6e, 0xe9), '1')) }),
  ),
  badString('context name in Latin-1', craft({ header: replaced(HEADER, 6, Uint8Array.of(0x62, 0xe9)) })),
  badString('content type in Latin-1', craft({ header: replaced(HEADER, 7, latin1) })),
  badString('key id in Latin-1', craft({ wrapped: [replaced(aesKey, 0, latin1), wrapFor('aes')] })),
  badString(
    'service id in Latin-1',
    craft({
      wrapped: [
        replaced(
          withServiceId,
          withServiceId.findIndex(({ number }) => number === 3),
          latin1,
        ),
        wrapFor('aes'),
      ],
    }),
  ),
  badString('name in a key context in Latin-1', wrappedWith(4, pair(Uint8Array.of(0x6e, 0xe9), '1'))),
  badString('value in a key context in Latin-1', wrappedWith(4, pair('p', latin1))),
];

function badString(name: string, input: Uint8Array): InvalidCase {
  return { name: `string: ${name}`, clause: '§2.2f', code: 'ERR_MALFORMED', input };
}

/** Header fields that a reader ignores, but only where they are canonical. */
const ignored: InvalidCase[] = (
  [
    ['§2.2a', 'tag one byte too long', concat(longVarint(1024 * 8 + 2), Uint8Array.of(1, 1))],
    ['§2.2a', 'value one byte too long', concat(tag(1024, 0), longVarint(1))],
    ['§2.2a', 'value of eleven bytes', concat(tag(1024, 0), new Uint8Array(10).fill(0xff), Uint8Array.of(1))],
    ['§2.2a', 'value of 2^64', concat(tag(1024, 0), varint(2n ** 64n))],
    ['§2.2a', 'length one byte too long', concat(tag(1024, 2), longVarint(1), Uint8Array.of(1))],
    ['§2.2b', 'in the wrong order', encodeFields([len(1025, 'x'), len(1024, 'x')])],
    ['§2.2c', 'a group', concat(tag(1024, 3), tag(1024, 4))],
    ['§2.2c', 'the end of a group', tag(1024, 4)],
    ['§2.2c', 'wire type 6', concat(tag(1024, 6), Uint8Array.of(1))],
    ['§2.2c', 'wire type 7', concat(tag(1024, 7), Uint8Array.of(1))],
    ['§2.2d', 'varint 0', concat(tag(1024, 0), Uint8Array.of(0))],
    ['§2.2d', 'empty bytes', concat(tag(1024, 2), Uint8Array.of(0))],
    ['§2.2d', '32 bits of 0', concat(tag(1024, 5), new Uint8Array(4))],
    ['§2.2d', '64 bits of 0', concat(tag(1024, 1), new Uint8Array(8))],
    ['§2.2g', 'length one too high', concat(tag(1024, 2), Uint8Array.of(2, 1))],
    ['§2.2g', '32 bits with 3 bytes', concat(tag(1024, 5), new Uint8Array(3).fill(1))],
    ['§2.2g', '64 bits with 7 bytes', concat(tag(1024, 1), new Uint8Array(7).fill(1))],
    ['§2.2g', 'unfinished varint', concat(tag(1024, 0), Uint8Array.of(0x80))],
    ['§2.2h', 'field number 2^29', encodeField(len(2 ** 29, 'x'))],
  ] as const
).map(([clause, name, bytes]) => ({
  name: `ignored header field: ${name}`,
  clause,
  code: 'ERR_MALFORMED',
  input: craft({ header: concat(encodeFields(HEADER), bytes) }),
}));

/** Entries of methods that a reader does not know: carried along, but only where the rest is canonical. */
const unknownMethods: InvalidCase[] = (
  [
    ['§2.2c', 'a varint', encodeFields([len(1, 'later'), num(22, 1)])],
    ['§2.2c', '32 bits', concat(encodeField(len(1, 'later')), tag(22, 5), new Uint8Array(4).fill(1))],
    ['§2.2d', 'empty', encodeFields([len(1, 'later'), len(22, '')])],
    ['§7.2', 'twice', encodeFields([len(1, 'later'), len(22, 'x'), len(22, 'y')])],
    ['§2.2b', 'before the key id', encodeFields([len(22, 'x'), len(1, 'later')])],
    ['§2.2a', 'length one byte too long', concat(encodeField(len(1, 'later')), tag(22, 2), longVarint(1), utf8('x'))],
    ['§2.2g', 'length one too high', concat(encodeField(len(1, 'later')), tag(22, 2), Uint8Array.of(2), utf8('x'))],
    ['§7.2', 'next to aes in one entry', concat(encodeFields(aesKey), encodeField(len(22, 'x')))],
    ['§7.2', 'next to another', encodeFields([len(1, 'later'), len(22, 'x'), len(23, 'y')])],
    ['§7.1', 'without key id', encodeFields([len(22, 'x')])],
    [
      '§7.1',
      'key context in the wrong order',
      encodeFields([len(1, 'later'), len(4, pair('b', '1')), len(4, pair('a', '1')), len(22, 'x')]),
    ],
  ] as const
).map(([clause, name, bytes]) => ({
  name: `unknown method: ${name}`,
  clause,
  code: 'ERR_MALFORMED',
  input: craft({ wrapped: [bytes, wrapFor('aes')] }),
}));

const refusedMethods: InvalidCase[] = [128, 129, 1024, 536_870_911].map((number) => ({
  name: `unknown method: number ${number}`,
  clause: '§2.3',
  code: 'ERR_UNSUPPORTED_FEATURE',
  input: craft({ wrapped: [encodeFields([len(1, 'later'), len(number, random('later', 9))]), wrapFor('aes')] }),
}));

export const INVALID_ENCODING: readonly InvalidCase[] = [
  ...LEVELS.flatMap((level) => [...cases(level)]),
  ...strings,
  ...ignored,
  ...unknownMethods,
  ...refusedMethods,
];

// The valid vectors: each case shows what its clauses allow, up to every limit that is cheap to reach.

import { concat } from '../bulla.ts';
import type { Pair, VectorKey } from '../vectors.ts';
import { aes, type Case, ecdh, kms, misleading, passphrase, raw, rsa, service, serviceEcdh, spoilt } from './build.ts';
import { base64url, EC_KEYS, type EcKey, ecKeyWith, random, sharedSecret } from './material.ts';
import { field, tag, varint, writeWrappedKey } from './raw.ts';

const S = 4096;

const sizes: Case[] = [
  ...[0, 1, 15, 16, 17, S - 1, S, S + 1, 2 * S - 1, 2 * S, 2 * S + 1].map((size) => sized(12, size)),
  ...[0, 2 ** 13 - 1, 2 ** 13, 2 ** 13 + 1].map((size) => sized(13, size)),
  ...[14, 15, 17, 19, 20, 21].map((log2) => sized(log2, 100)),
  ...[1, 2 ** 16, 2 ** 16 + 1, 2 ** 17].map((size) => sized(16, size)),
  ...[0, 2 ** 18, 2 ** 18 + 1, 2 ** 19].map((size) => sized(18, size)),
  ...[0, 2 ** 22 - 1, 2 ** 22].map((size) => sized(22, size)),
  sized(12, 300 * S),
];

function sized(segmentSizeLog2: number, plaintext: number): Case {
  return {
    name: `${plaintext} bytes in segments of 2^${segmentSizeLog2}`,
    clauses: ['§6.1', '§6.2', '§6.3'],
    segmentSizeLog2,
    plaintext,
  };
}

const at = (values: Iterable<string>): Pair[] => Array.from(values, (name, index) => [name, `value ${index}`]);
const numbered = (count: number): Pair[] => at(Array.from({ length: count }, (_, n) => `name ${n}`));
/** Names whose order by bytes is not that of UTF-16 code units, of locales or of lengths. */
const TRAPS = at([
  '\u{10000}',
  '\uff5e',
  'a',
  'ab',
  'B',
  'b',
  'Z',
  '\u00e9',
  'e\u0301',
  '\ufeffa',
  '\u0000',
  '10',
  '9',
  'a\u0000',
  '\u{10ffff}',
  '\ue000',
]);
const KEY_CONTEXT: Pair[] = [
  ['tenant', 'acme'],
  ['purpose', 'backup'],
];

/** An ephemeral private key whose shared secret with Alice, or whose public key, is as wanted. */
const ephemeralWith = (test: (key: EcKey) => boolean): string => base64url(ecKeyWith('ephemeral', test).privateKey);

const methods: Case[] = [
  { name: 'ecdh', clauses: ['§7.3', '§8.1'], wraps: [ecdh('alice')] },
  {
    name: 'ecdh, shared secret with a leading zero byte',
    clauses: ['§8.1'],
    wraps: [
      ecdh('alice', {
        ephemeralPrivateKey: ephemeralWith((key) => sharedSecret(key.privateKey, EC_KEYS.alice.publicKey)[0] === 0),
      }),
    ],
  },
  {
    name: 'ecdh, ephemeral X coordinate with a leading zero byte',
    clauses: ['§8.1'],
    wraps: [ecdh('alice', { ephemeralPrivateKey: ephemeralWith((key) => key.publicKey[1] === 0) })],
  },
  {
    name: 'ecdh, ephemeral Y coordinate with a leading zero byte',
    clauses: ['§8.1'],
    wraps: [ecdh('alice', { ephemeralPrivateKey: ephemeralWith((key) => key.publicKey[49] === 0) })],
  },
  {
    name: 'ecdh, ephemeral private key 1',
    clauses: ['§8.1'],
    wraps: [ecdh('bob', { ephemeralPrivateKey: Buffer.from('1'.padStart(96, '0'), 'hex').toString('base64url') })],
  },
  {
    name: 'ecdh, agreed key id, version and key context',
    clauses: ['§7.1', '§7.3', '§8.1'],
    wraps: [ecdh('alice', { keyId: 'alice@example.org', version: 4, keyContext: KEY_CONTEXT })],
  },
  {
    name: 'ecdh, recipients whose coordinates start with a zero byte',
    clauses: ['§8.1'],
    wraps: [ecdh('carol'), ecdh('dave')],
  },
  { name: 'ecdh, two recipients', clauses: ['§7.5', '§8.1'], wraps: [ecdh('alice'), ecdh('bob')] },
  { name: 'service-ecdh', clauses: ['§7.3', '§8.2'], wraps: [serviceEcdh('service-key-v1')] },
  ...[0, 2, 127, 128, 2 ** 32 - 1].map(
    (version): Case => ({
      name: `service-ecdh, version ${version}`,
      clauses: ['§7.3', '§8.2'],
      wraps: [serviceEcdh('service-key-v2', { version })],
    }),
  ),
  {
    name: 'service-ecdh, key context',
    clauses: ['§7.1', '§7.3', '§8.2'],
    wraps: [serviceEcdh('service-key-v1', { keyContext: KEY_CONTEXT })],
  },
  {
    name: 'service-ecdh, one key of two services',
    clauses: ['§7.3', '§8.2'],
    wraps: [
      serviceEcdh('service-key-v1', { serviceId: 'eu.example' }),
      serviceEcdh('service-key-v1', { serviceId: 'us.example' }),
    ],
  },
  { name: 'aes', clauses: ['§7.3', '§8.3'], wraps: [aes()] },
  {
    name: 'aes, version and key context',
    clauses: ['§7.1', '§7.3', '§8.3'],
    wraps: [aes({ version: 9, keyContext: KEY_CONTEXT })],
  },
  { name: 'aes, two keys', clauses: ['§7.5', '§8.3'], wraps: [aes(), aes({}, 'aes-2')] },
  {
    name: 'aes, one key twice with two key contexts',
    clauses: ['§7.6', '§8.3'],
    wraps: [aes({ keyContext: [['tenant', 'a']] }), aes({ keyContext: [['tenant', 'b']] })],
  },
  { name: 'aes, all-zero salt', clauses: ['§8.3'], wraps: [aes({ salt: 'A'.repeat(43) })] },
  { name: 'rsa of 3,072 bits', clauses: ['§7.3', '§8.4'], wraps: [rsa('rsa-3072')] },
  {
    name: 'rsa of 4,096 bits, version and key context',
    clauses: ['§7.1', '§7.3', '§8.4'],
    wraps: [rsa('rsa-4096', { version: 2, keyContext: KEY_CONTEXT })],
  },
  { name: 'rsa of 8,192 bits', clauses: ['§8.4'], wraps: [rsa('rsa-8192')] },
  { name: 'passphrase', clauses: ['§7.3', '§8.5'], wraps: [passphrase('passphrase-1')] },
  {
    name: 'passphrase, not in NFC, agreed key id, 600,001 iterations',
    clauses: ['§8.5'],
    wraps: [passphrase('passphrase-nfd', { keyId: 'recovery', keyContext: KEY_CONTEXT }, 600_001)],
  },
  { name: 'service next to aes', clauses: ['§8.7'], wraps: [service(random('opaque', 60)), aes()] },
  { name: 'service of 1 byte', clauses: ['§8.7'], wraps: [service(new Uint8Array(1), { version: 0 }), aes()] },
  {
    name: 'service of 8,192 bytes',
    clauses: ['§2.4', '§8.7'],
    wraps: [service(new Uint8Array(8192), { keyContext: KEY_CONTEXT }), aes()],
  },
  {
    name: 'all methods',
    clauses: ['§7.2', '§7.5'],
    wraps: [
      aes(),
      ecdh('alice'),
      service(random('opaque', 100)),
      passphrase('passphrase-nfc'),
      serviceEcdh('service-key-v1'),
      rsa('rsa-3072'),
      kms(),
    ],
  },
  { name: 'kms', clauses: ['§7.3', '§8.8', '§8.10', '§8.11'], wraps: [kms()] },
  {
    name: 'kms, key context and a name of its own',
    clauses: ['§7.1', '§8.9'],
    wraps: [kms({ keyId: 'model:eu/orders: 2026 \u{1f511}', keyContext: KEY_CONTEXT })],
  },
  {
    name: 'kms, key id of 256 bytes',
    clauses: ['§2.4', '§8.9'],
    wraps: [kms({ keyId: `model:${'k'.repeat(250)}` })],
  },
  { name: 'kms, two keys', clauses: ['§7.5', '§8.8'], wraps: [kms(), kms({}, 'kms-2')] },
  {
    name: 'kms, one key under two names',
    clauses: ['§8.9'],
    wraps: [kms({ keyId: 'model:a' }), kms({ keyId: 'model:b' })],
  },
  {
    name: 'kms of 1 byte and of 8,192 bytes, of another provider, next to aes',
    clauses: ['§2.4', '§8.8'],
    wraps: [
      raw(writeWrappedKey('kms', { keyId: 'other:1' }, { opaque: Uint8Array.of(0) })),
      raw(writeWrappedKey('kms', { keyId: 'other:2' }, { opaque: new Uint8Array(8192).fill(7) })),
      aes(),
    ],
  },
  { name: 'three keys in another order', clauses: ['§7.5'], wraps: [rsa('rsa-3072'), aes(), ecdh('bob')] },
  {
    name: 're-wrapped, before',
    clauses: ['§7.5'],
    dataKeyOf: 're-wrap',
    saltOf: 're-wrap',
    wraps: [serviceEcdh('service-key-v1')],
  },
  {
    name: 're-wrapped to a higher version',
    clauses: ['§7.5'],
    dataKeyOf: 're-wrap',
    saltOf: 're-wrap',
    wraps: [serviceEcdh('service-key-v2', { version: 2 })],
  },
  {
    name: 're-wrapped to another recipient',
    clauses: ['§7.5'],
    dataKeyOf: 're-wrap',
    saltOf: 're-wrap',
    wraps: [serviceEcdh('service-key-v1'), ecdh('bob')],
  },
];

/** A reader's key, from the wrap that it opens. */
const key = (wrap: ReturnType<typeof aes>, changes: Partial<VectorKey> = {}): VectorKey => ({
  ...(wrap as VectorKey),
  ...changes,
});

/** Which entry a reader takes: a reader that goes another way unwraps a wrong data key, or nothing. */
const choices: Case[] = [
  {
    name: 'an entry that does not unwrap before the right one, for one key',
    clauses: ['§7.5'],
    wraps: [spoilt(aes()), aes()],
  },
  {
    name: 'entries that do not unwrap before the right one, by ecdh',
    clauses: ['§7.5'],
    wraps: [spoilt(ecdh('alice')), spoilt(ecdh('alice')), ecdh('alice')],
  },
  {
    name: 'three entries that do not unwrap before the right one, by kms',
    clauses: ['§7.5', '§8.12'],
    wraps: [spoilt(kms()), spoilt(kms()), spoilt(kms()), kms()],
  },
  {
    name: 'entries that cannot be ciphertexts of the provider are not counted, by kms',
    clauses: ['§7.5', '§8.12'],
    wraps: [
      ...Array.from({ length: 4 }, (_, i) =>
        raw(writeWrappedKey('kms', { keyId: 'model:kms-1' }, { opaque: new Uint8Array(107 + 2 * (i % 2)).fill(i) })),
      ),
      kms(),
    ],
  },
  {
    name: 'an entry of another key id, of another key context and of another version before the right one, by kms',
    clauses: ['§7.6', '§8.9'],
    wraps: [
      misleading(kms({ keyId: 'model:other' })),
      misleading(kms({ keyContext: KEY_CONTEXT })),
      misleading(kms({ version: 1 })),
      misleading(kms({ keyId: 'kms-1' })),
      kms(),
    ],
  },
  {
    name: 'an entry that does not unwrap, by rsa',
    clauses: ['§7.5'],
    wraps: [spoilt(rsa('rsa-3072')), rsa('rsa-3072')],
  },
  {
    name: 'an entry of another data key behind the right one, for one key',
    clauses: ['§7.5'],
    wraps: [aes(), misleading(aes())],
  },
  {
    name: 'an entry of another data key behind the right one, by ecdh',
    clauses: ['§7.5'],
    wraps: [ecdh('alice'), misleading(ecdh('alice'))],
  },
  {
    name: 'the first key of the reader, whose entry is the last',
    clauses: ['§7.5'],
    wraps: [misleading(aes({}, 'aes-2')), misleading(ecdh('alice')), aes()],
    readers: [key(aes()), key(ecdh('alice')), key(aes({}, 'aes-2'))],
  },
  {
    name: 'the first of two private keys, whose entry is the last',
    clauses: ['§7.5'],
    wraps: [misleading(ecdh('bob')), ecdh('alice')],
    readers: [key(ecdh('alice')), key(ecdh('bob'))],
  },
  {
    name: 'the second key of the reader, since no entry of the first unwraps',
    clauses: ['§7.5'],
    wraps: [spoilt(ecdh('alice')), aes(), misleading(aes())],
    readers: [key(ecdh('alice')), key(aes())],
  },
  {
    name: 'the second key of the reader, since there is no entry for the first',
    clauses: ['§7.5'],
    wraps: [aes()],
    readers: [key(ecdh('bob')), key(aes())],
  },
  ...[aes(), ecdh('alice'), rsa('rsa-3072')].map(
    (wrap): Case => ({
      name: `${wrap.method}, an entry of another version before that of the reader`,
      clauses: ['§7.6'],
      wraps: [misleading({ ...wrap, version: 1 } as typeof wrap), { ...wrap, version: 2 } as typeof wrap],
    }),
  ),
  {
    name: 'aes, version 0 for a reader that is configured with none',
    clauses: ['§7.6'],
    wraps: [misleading(aes({ version: 1 })), aes()],
  },
  ...[0, 1, 8].map(
    (version): Case => ({
      name: `service-ecdh, version 7 for a reader of version ${version}`,
      clauses: ['§7.6', '§8.2'],
      wraps: [serviceEcdh('service-key-v1', { version: 7 })],
      readers: [key(serviceEcdh('service-key-v1', { version }))],
    }),
  ),
  {
    name: 'service-ecdh, an entry of another version before that of the reader',
    clauses: ['§7.5', '§7.6'],
    wraps: [serviceEcdh('service-key-v1', { version: 7 }), misleading(serviceEcdh('service-key-v1', { version: 1 }))],
    readers: [key(serviceEcdh('service-key-v1', { version: 1 }))],
  },
  {
    name: 'aes, an entry with a key context before one without, for a reader with none',
    clauses: ['§7.6'],
    wraps: [misleading(aes({ keyContext: KEY_CONTEXT })), aes()],
  },
  {
    name: 'aes, an entry without a key context before one with it',
    clauses: ['§7.6'],
    wraps: [misleading(aes()), aes({ keyContext: KEY_CONTEXT })],
  },
];

const names: Case[] = [
  ...[1, 2, 63, 64].map(
    (count): Case => ({
      name: `context of ${count} pairs`,
      clauses: ['§3.3', '§4.4', '§5.2'],
      context: numbered(count),
    }),
  ),
  { name: 'no context', clauses: ['§4.4', '§5.3'], context: [] },
  { name: 'context given in another order than by bytes', clauses: ['§3.3', '§4.4'], context: TRAPS },
  { name: 'context, U+10000 given before U+FF5E', clauses: ['§4.4'], context: at(['\u{10000}', '\uff5e']) },
  {
    name: 'context, name that is the beginning of another',
    clauses: ['§4.4'],
    context: at(['abc', 'ab', 'a', 'abcd']),
  },
  {
    name: 'context, empty values',
    clauses: ['§4.4'],
    context: [
      ['a', ''],
      ['b', ''],
      ['c', 'x'],
    ],
  },
  {
    name: 'context, composed and decomposed names',
    clauses: ['§3.3', '§4.4'],
    context: [
      ['\u00e9', '1'],
      ['e\u0301', '2'],
    ],
  },
  { name: 'context, composed value', clauses: ['§4.4'], context: [['a', '\u00e9']] },
  { name: 'context, decomposed value', clauses: ['§4.4'], context: [['a', 'e\u0301']] },
  {
    name: 'context, byte order marks kept',
    clauses: ['§4.4'],
    context: [
      ['\ufeffa', '\ufeffb'],
      ['a', 'b\ufeff'],
    ],
  },
  {
    name: 'context, control characters and noncharacters',
    clauses: ['§4.4'],
    context: [
      ['\u0000', '\u0000'],
      ['\n', '\r\n'],
      ['\uffff', '\u{1ffff}'],
    ],
  },
  {
    name: 'context, names that are members of objects',
    clauses: ['§4.4'],
    context: [
      ['__proto__', '1'],
      ['constructor', '2'],
      ['toString', '3'],
    ],
  },
  {
    name: 'context, names that look like numbers',
    clauses: ['§4.4'],
    context: [
      ['10', 'a'],
      ['9', 'b'],
      ['1e3', 'c'],
      ['-1', 'd'],
    ],
  },
  {
    name: 'context, name of 256 bytes and value of 8,192',
    clauses: ['§2.4', '§4.4'],
    context: [['n'.repeat(256), 'v'.repeat(8192)]],
  },
  {
    name: 'context, name of 256 bytes in 64 characters',
    clauses: ['§2.4', '§4.4'],
    context: [['\u{1f511}'.repeat(64), 'v']],
  },
  ...[1, 2, 64].map(
    (count): Case => ({ name: `metadata of ${count} pairs`, clauses: ['§3.4'], metadata: numbered(count) }),
  ),
  { name: 'metadata, order and empty values', clauses: ['§3.4'], metadata: [...TRAPS, ['empty', '']] },
  {
    name: 'metadata, name of 256 bytes and value of 8,192',
    clauses: ['§2.4', '§3.4'],
    metadata: [['n'.repeat(256), 'v'.repeat(8192)]],
  },
  {
    name: 'context and metadata of the same names',
    clauses: ['§3.3', '§3.4'],
    context: at(['a', 'b']),
    metadata: at(['a', 'b']),
  },
  ...[1, 64].map(
    (count): Case => ({
      name: `key context of ${count} pairs`,
      clauses: ['§4.4', '§7.1'],
      wraps: [aes({ keyContext: numbered(count) })],
    }),
  ),
  {
    name: 'key context, order and empty values',
    clauses: ['§4.4', '§7.1'],
    wraps: [aes({ keyContext: [...TRAPS, ['empty', '']] }), ecdh('alice', { keyContext: TRAPS })],
  },
  {
    name: 'key context, name of 256 bytes and value of 1,024',
    clauses: ['§2.4', '§7.1'],
    wraps: [aes({ keyContext: [['n'.repeat(256), 'v'.repeat(1024)]] })],
  },
  {
    name: 'key id and service id of 256 bytes',
    clauses: ['§2.4', '§7.1'],
    wraps: [serviceEcdh('service-key-v1', { keyId: 'k'.repeat(256), serviceId: '\u00e9'.repeat(128) })],
  },
  {
    name: 'key ids that differ in normalization',
    clauses: ['§7.6'],
    wraps: [aes({ keyId: '\u00e9' }), aes({ keyId: 'e\u0301' }, 'aes-2')],
  },
  { name: 'content type', clauses: ['§3'], contentType: 'application/json; charset=utf-8' },
  { name: 'content type of 256 bytes', clauses: ['§2.4'], contentType: `text/${'\u00e9'.repeat(125)}x` },
];

/** A message with fields that only a later version knows. */
const ignored = (name: string, extraHeaderFields: Uint8Array): Case => ({
  name: `header, ${name}`,
  clauses: ['§2.3'],
  extraHeaderFields,
});
const unknownMethod = (number: number, ...before: Uint8Array[]): Uint8Array =>
  concat(field(1, 'later'), ...before, field(number, random(`method ${number}`, 40)));

const header: Case[] = [
  { name: 'created in the first second', clauses: ['§3.1'], created: 1 },
  { name: 'created in the last second', clauses: ['§3.1'], created: 2 ** 32 - 1 },
  { name: 'shared data key, first message', clauses: ['§3.5'], keyUse: 'SHARED', dataKeyOf: 'shared' },
  {
    name: 'shared data key, second message',
    clauses: ['§3.5'],
    keyUse: 'SHARED',
    dataKeyOf: 'shared',
    plaintext: 'at noon',
  },
  {
    name: 'everything',
    clauses: ['§3'],
    keyUse: 'SHARED',
    segmentSizeLog2: 14,
    context: numbered(3),
    contentType: 'text/plain',
    metadata: numbered(2),
    extraHeaderFields: field(1024, 'x'),
    wraps: [
      ecdh('alice', { keyContext: KEY_CONTEXT }),
      serviceEcdh('service-key-v2', { version: 2, keyContext: KEY_CONTEXT }),
    ],
    plaintext: 200,
  },
  ignored('unknown varint 1024', field(1024, 1)),
  ignored('unknown varint of 64 bits', concat(tag(1024, 0), varint(2n ** 64n - 1n))),
  ignored('unknown bytes 1024', field(1024, random('1024', 20))),
  ignored('unknown 32-bit field', concat(tag(1025, 5), Uint8Array.of(1, 0, 0, 0))),
  ignored('unknown 64-bit field', concat(tag(1025, 1), Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1))),
  ignored('unknown field repeated', concat(field(2000, 'a'), field(2000, 'b'), field(2000, 'a'))),
  ignored('highest field number', field(536_870_911, 'last')),
  ignored('several unknown fields', concat(field(1024, 5), field(1025, 'x'), field(70_000, 'y'))),
  {
    name: 'header of 65,536 bytes',
    clauses: ['§2.4'],
    extraHeaderFields: field(1024, new Uint8Array(65_536 - 46 - 5)),
    context: [],
  },
];

const later: Case[] = [
  ...[22, 31, 32, 127].map(
    (number): Case => ({
      name: `unknown method ${number} next to aes`,
      clauses: ['§7.4'],
      wraps: [raw(unknownMethod(number)), aes()],
    }),
  ),
  {
    name: 'unknown methods on both sides of ecdh',
    clauses: ['§7.4'],
    wraps: [raw(unknownMethod(22)), ecdh('alice'), raw(unknownMethod(23))],
  },
  {
    name: 'unknown method with the name of a key that the reader holds',
    clauses: ['§7.4', '§7.6'],
    wraps: [raw(concat(field(1, 'aes-1'), field(40, 'x'))), aes()],
  },
  {
    name: 'unknown method with version, service id and key context',
    clauses: ['§7.4'],
    wraps: [
      raw(unknownMethod(30, field(2, 7), field(3, 'kms.example'), field(4, concat(field(1, 'a'), field(2, 'b'))))),
      aes(),
    ],
  },
  {
    name: 'unknown method in a wrapped key of 16,384 bytes',
    clauses: ['§2.4', '§7.4'],
    wraps: [raw(concat(field(1, 'later'), field(127, new Uint8Array(16_384 - 7 - 4)))), aes()],
  },
  {
    name: '64 wrapped keys',
    clauses: ['§2.1', '§2.4'],
    wraps: [...Array.from({ length: 63 }, () => raw(concat(field(1, 'later'), field(22, 'x')))), aes()],
  },
  {
    name: 'envelope of 1,048,576 bytes',
    clauses: ['§1.3', '§2.4'],
    extraHeaderFields: field(1024, new Uint8Array(15_949)),
    wraps: [
      aes(),
      ...Array.from({ length: 63 }, () => raw(concat(field(1, 'later'), field(127, new Uint8Array(16_384 - 7 - 4))))),
    ],
  },
  {
    name: 'passphrase entry of 10,000,000 iterations next to aes',
    clauses: ['§2.4', '§8.5'],
    wraps: [
      raw(
        writeWrappedKey(
          'passphrase',
          { keyId: 'passphrase' },
          { salt: random('salt', 32), iterations: 10_000_000, sealedKey: random('sealed', 48) },
        ),
      ),
      aes(),
    ],
  },
  {
    name: 'ephemeral key off the curve in an entry for someone else',
    clauses: ['§8.1'],
    wraps: [
      raw(writeWrappedKey('ecdh', { keyId: 'someone' }, { ephemeralKey: offCurve(), sealedKey: random('sealed', 48) })),
      aes(),
    ],
  },
  {
    name: 'rsa entry of 385 bytes for someone else',
    clauses: ['§8.4'],
    wraps: [raw(writeWrappedKey('rsa', { keyId: 'someone' }, { encryptedKey: random('rsa', 385) })), aes()],
  },
];

function offCurve(): Uint8Array {
  const point = EC_KEYS.bob.publicKey.slice();
  point[96] = (point[96] ?? 0) ^ 1;
  return point;
}

/** A text with a separator behind every so many characters. */
const lines = (text: string, width: number, separator: string): string =>
  (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []).join(separator);

const texts: Case[] = [
  {
    name: 'text form, folded',
    clauses: ['§1.6', '§1.7'],
    fold: (text) => [
      `${text}\n`,
      `${text}\r\n`,
      ` \t\r\n${text}`,
      `\ufeff${text}`,
      `\ufeff\n  ${text} \t\n`,
      lines(text, 76, '\n'),
      `${lines(text, 64, '\r\n')}\r\n`,
      `    ${lines(text, 72, '\n    ')}\n`,
      lines(text, 64, '\r'),
      lines(text, 1, ' '),
      `${text.slice(0, 3)}\n${text.slice(3, 7)} ${text.slice(7)}`,
      `${text}${' '.repeat(5_000)}`,
    ],
  },
];

export const VALID: readonly Case[] = [...sizes, ...methods, ...choices, ...names, ...header, ...later, ...texts];

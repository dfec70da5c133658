// Invalid vectors of what stands in a header and in wrapped keys: ranges, order, limits, methods.

import { concat, encodeInfo, type Field, gcmSeal, hkdf, METHODS, modelSeal, sha384, split, utf8 } from '../bulla.ts';
import type { Pair, VectorKey } from '../vectors.ts';
import {
  craft,
  DATA_KEY,
  HEADER,
  type InvalidCase,
  KEYS,
  rsaEncrypt,
  serviceEntry,
  withMethodBody,
  wrapFor,
} from './craft.ts';
import {
  AES_KEYS,
  EC_KEYS,
  PROVIDER_KEYS,
  pkcs1Encrypt,
  RSA_KEYS,
  random,
  sharedSecret,
  unreducedPoint,
} from './material.ts';
import { bindingOf, encodeField, encodeFields, len, num, pair, writeWrappedKey } from './raw.ts';

type Code = InvalidCase['code'];
const broken =
  (code: Code) =>
  (
    clause: string,
    name: string,
    input: Uint8Array,
    more: Pick<InvalidCase, 'also' | 'keys' | 'context'> = {},
  ): InvalidCase => ({
    name,
    clause,
    code,
    input,
    ...more,
  });
const malformed = broken('ERR_MALFORMED');
const limit = broken('ERR_LIMIT_EXCEEDED');
const failed = broken('ERR_DECRYPTION_FAILED');

/** The header with all fields of a number replaced. */
const headerWith = (...fields: Field[]): Uint8Array => {
  const [number = 0] = fields.map((field) => field.number);
  const kept = HEADER.filter((field) => field.number !== number);
  return encodeFields([
    ...kept.filter((field) => field.number < number),
    ...fields,
    ...kept.filter((field) => field.number > number),
  ]);
};
const withNames = (...names: string[]): Uint8Array => headerWith(...names.map((name) => len(6, name)));
const contextOf = (names: readonly string[]): Pair[] => [...new Set(names)].map((name) => [name, 'x']);
const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `name ${String(n).padStart(2, '0')}`);

function names(clause: string, name: string, list: string[], code: Code = 'ERR_MALFORMED'): InvalidCase {
  const context = contextOf(list);
  return broken(code)(clause, `context names: ${name}`, craft({ header: withNames(...list), context }), { context });
}

const metadata = (...pairs: [string, string][]): Uint8Array =>
  craft({ header: headerWith(...pairs.map(([name, value]) => len(8, pair(name, value)))) });

const header: InvalidCase[] = [
  ...[2, 3, 0xfeff, 0xff00, 2 ** 32 - 1].map((suite) =>
    broken('ERR_UNSUPPORTED_SUITE')('§3.1', `header: suite ${suite}`, craft({ header: headerWith(num(1, suite)) }), {
      also: ['§4.1'],
    }),
  ),
  ...[1, 10, 11, 23, 24, 32, 44, 2 ** 32 - 1].map((log2) =>
    malformed(
      '§3.1',
      `header: segment size 2^${log2}`,
      craft({ header: headerWith(num(3, log2)), segmentSizeLog2: Math.max(Math.min(log2, 24), 10) }),
    ),
  ),
  ...[3, 4, 2 ** 32 - 1].map((use) =>
    malformed('§2.2e', `header: key use ${use}`, craft({ header: headerWith(num(5, use)) })),
  ),
  malformed(
    '§3.1',
    'header: salt of 16 bytes',
    craft({ header: headerWith(len(2, random('salt', 16))), salt: random('salt', 16) }),
  ),
  malformed(
    '§3.1',
    'header: salt of 64 bytes',
    craft({ header: headerWith(len(2, random('salt', 64))), salt: random('salt', 64) }),
  ),
  malformed(
    '§2.2h',
    'header: a zero byte alone',
    craft({ envelope: ([, ...rest]) => concat(Uint8Array.of(10, 1, 0), encodeFields(rest)) }),
    {},
  ),
  names('§3.3', 'repeated', ['a', 'a']),
  names('§3.3', 'descending', ['b', 'a']),
  names('§3.3', 'repeated, not next to each other', ['a', 'b', 'a']),
  names('§3.3', 'ascending by UTF-16 code units', ['\u{10000}', '\uff5e']),
  names('§3.3', 'ascending without regard to case', ['a', 'B']),
  names('§3.3', 'ascending by length', ['b', 'aa']),
  names('§3.3', 'a longer one before its beginning', ['ab', 'a']),
  names('§2.4', '65', numbered(65), 'ERR_LIMIT_EXCEEDED'),
  // A reader that has no limit compares the names, and says so.
  ...[65, 66, 1_000].flatMap((count) =>
    [0, 64].map((given) =>
      limit(
        '§2.4',
        `context names: ${count} in the header alone, ${given} given`,
        craft({ header: withNames(...numbered(count)) }),
        {
          context: contextOf(numbered(given)),
        },
      ),
    ),
  ),
  ...(
    [
      ['a salt of 16 bytes', headerWith(len(2, random('salt', 16)))],
      ['segments of 2^11 bytes', headerWith(num(3, 11))],
      ['key use 3', headerWith(num(5, 3))],
      ['a field of its own', headerWith(num(9, 1))],
      ['context names in another order', withNames('b', 'a')],
      ['no salt', encodeFields(HEADER.filter(({ number }) => number !== 2))],
      ['65 context names', withNames(...numbered(65))],
    ] as const
  ).map(([name, bytes]) =>
    broken('ERR_UNSUPPORTED_SUITE')(
      '§3.1',
      `header: suite 2, and ${name}`,
      craft({ header: concat(encodeField(num(1, 2)), bytes.subarray(2)) }),
    ),
  ),
  ...[31, 33, 48].map((length) =>
    malformed(
      '§2.1',
      `commitment: ${length} bytes`,
      craft({ envelope: (fields) => encodeFields(fields.with(2, len(3, random('commitment', length)))) }),
    ),
  ),
  malformed('§3.4', 'metadata: name repeated', metadata(['a', '1'], ['a', '2'])),
  malformed('§3.4', 'metadata: pair repeated', metadata(['a', '1'], ['a', '1'])),
  malformed('§3.4', 'metadata: descending', metadata(['b', '1'], ['a', '2'])),
  malformed('§3.4', 'metadata: ascending by UTF-16 code units', metadata(['\u{10000}', '1'], ['\uff5e', '2'])),
  malformed('§3.4', 'metadata: name repeated, not next to each other', metadata(['a', '1'], ['b', '2'], ['a', '3'])),
  limit('§2.4', 'metadata: 65 pairs', metadata(...numbered(65).map((name): [string, string] => [name, '']))),
  limit('§2.4', 'metadata: name of 257 bytes', metadata(['n'.repeat(257), '1'])),
  limit('§2.4', 'metadata: name of 257 bytes in 129 characters', metadata([`${'\u00e9'.repeat(128)}n`, '1'])),
  limit('§2.4', 'metadata: value of 8,193 bytes', metadata(['n', 'v'.repeat(8193)])),
  limit('§2.4', 'metadata: value of 8,193 bytes in 2,731 characters', metadata(['n', '\u5bc6'.repeat(2731)])),
  limit('§2.4', 'header: content type of 257 bytes', craft({ header: headerWith(len(7, 't'.repeat(257))) })),
  limit(
    '§2.4',
    'header: 65,537 bytes',
    craft({
      header: concat(
        encodeFields(HEADER),
        encodeField(len(1024, new Uint8Array(65_537 - 5 - encodeFields(HEADER).length))),
      ),
    }),
  ),
];

/** A context name of 257 bytes: the reader is given none of it, since it could not be. */
const longName: InvalidCase = limit(
  '§2.4',
  'context names: 257 bytes',
  craft({ header: withNames('n'.repeat(257)), context: [['n'.repeat(257), 'x']] }),
  { context: [] },
);

const reader = (key: VectorKey, changes: Partial<VectorKey>) => ({ keys: [{ ...key, ...changes }] });

/** The entry for an aes key of another name, which its reader expects. */
const named = (changes: Partial<VectorKey>, code: Code, clause: string, name: string): InvalidCase =>
  broken(code)(
    clause,
    `wrapped key: ${name}`,
    craft({ wrapped: [wrapFor('aes', changes)] }),
    reader(KEYS.aes, changes),
  );

const aesFields = split(wrapFor('aes'));
/** An aes entry whose key context stands as given, in whatever order. */
function keyContext(name: string, pairs: Pair[]): InvalidCase {
  const fields = split(wrapFor('aes', { keyContext: pairs }));
  const place = fields.findIndex(({ number }) => number === 4);
  const others = fields.filter(({ number }) => number !== 4);
  const wrapped = encodeFields(others.toSpliced(place, 0, ...pairs.map(([key, value]) => len(4, pair(key, value)))));
  return malformed(
    '§7.1',
    `key context: ${name}`,
    craft({ wrapped: [wrapped] }),
    reader(KEYS.aes, { keyContext: pairs }),
  );
}

const many = (count: number, entry: Uint8Array): Uint8Array[] => Array.from({ length: count }, () => entry);
const later = encodeFields([len(1, 'later'), len(22, 'x')]);

const wrappedKeys: InvalidCase[] = [
  named({ keyId: 'k'.repeat(257) }, 'ERR_LIMIT_EXCEEDED', '§2.4', 'key id of 257 bytes'),
  named({ keyId: `${'\u00e9'.repeat(128)}k` }, 'ERR_LIMIT_EXCEEDED', '§2.4', 'key id of 257 bytes in 129 characters'),
  limit(
    '§2.4',
    'wrapped key: service id of 257 bytes',
    craft({ wrapped: [wrapFor('service-ecdh', { serviceId: 's'.repeat(257) })] }),
    reader(KEYS['service-ecdh'], { serviceId: 's'.repeat(257) }),
  ),
  named({ keyContext: [['n'.repeat(257), '1']] }, 'ERR_LIMIT_EXCEEDED', '§2.4', 'name of 257 bytes in its key context'),
  named(
    { keyContext: [['n', 'v'.repeat(1025)]] },
    'ERR_LIMIT_EXCEEDED',
    '§2.4',
    'value of 1,025 bytes in its key context',
  ),
  named(
    { keyContext: numbered(65).map((name): Pair => [name, '']) },
    'ERR_LIMIT_EXCEEDED',
    '§2.4',
    '65 pairs in its key context',
  ),
  limit('§2.4', 'wrapped keys: 65', craft({ wrapped: [wrapFor('aes'), ...many(64, later)] })),
  limit('§2.4', 'wrapped keys: 100', craft({ wrapped: [...many(99, later), wrapFor('aes')] })),
  limit(
    '§2.4',
    'wrapped key: 16,385 bytes',
    craft({ wrapped: [wrapFor('aes'), encodeFields([len(1, 'later'), len(22, new Uint8Array(16_385 - 7 - 4))])] }),
  ),
  keyContext('descending', [
    ['b', '1'],
    ['a', '2'],
  ]),
  keyContext('ascending by UTF-16 code units', [
    ['\u{10000}', '1'],
    ['\uff5e', '2'],
  ]),
  malformed(
    '§7.1',
    'key context: name repeated',
    craft({ wrapped: [encodeFields(aesFields.toSpliced(3, 0, len(4, pair('p', '2'))))] }),
  ),
  ...(['ecdh', 'aes', 'rsa', 'passphrase', 'kms'] as const).map((method) =>
    malformed(
      '§7.1',
      `${method}: with a service id`,
      craft({ wrapped: [wrapFor(method, { serviceId: 'kms.example' })] }),
      reader(KEYS[method], { serviceId: 'kms.example' }),
    ),
  ),
  malformed(
    '§7.1',
    'service-ecdh: without a service id',
    craft({ wrapped: [wrapFor('service-ecdh', { serviceId: '' })] }),
    reader(KEYS['service-ecdh'], { serviceId: '' }),
  ),
  malformed(
    '§7.1',
    'service: without a service id',
    craft({ wrapped: [wrapFor('aes'), writeWrappedKey('service', { keyId: 'k' }, { opaque: random('opaque', 9) })] }),
  ),
  malformed(
    '§7.2',
    'wrapped key: two methods',
    craft({
      wrapped: [concat(wrapFor('aes'), encodeFields(split(wrapFor('rsa')).filter(({ number }) => number >= 16)))],
    }),
  ),
  malformed(
    '§7.2',
    'wrapped key: ecdh and service-ecdh',
    craft({
      wrapped: [
        concat(wrapFor('ecdh'), encodeFields(split(wrapFor('service-ecdh')).filter(({ number }) => number >= 16))),
      ],
    }),
    { keys: [KEYS.ecdh] },
  ),
  malformed('§7.2', 'wrapped key: no method', craft({ wrapped: [encodeFields([len(1, 'aes-1')]), wrapFor('aes')] })),
  malformed(
    '§7.1',
    'wrapped key: a broken entry for someone else',
    craft({
      wrapped: [
        wrapFor('aes'),
        writeWrappedKey('aes', { keyId: 'x' }, { salt: random('salt', 31), sealedKey: random('sealed', 48) }),
      ],
    }),
  ),
  malformed(
    '§8.6',
    'passphrase: two entries',
    craft({ wrapped: [wrapFor('aes'), wrapFor('passphrase'), wrapFor('passphrase', { keyId: 'second' })] }),
  ),
  malformed(
    '§8.6',
    'passphrase: one entry twice',
    craft({ wrapped: [wrapFor('passphrase'), wrapFor('aes'), wrapFor('passphrase')] }),
  ),
];

const ecdhWith = (ephemeralKey: Uint8Array): Uint8Array =>
  withMethodBody(wrapFor('ecdh'), 'ecdh', encodeFields([len(1, ephemeralKey), len(2, sealedBehind(ephemeralKey))]));

/** What a writer with a broken curve would seal: to the shared secret of a good point of the same X coordinate, or of Bob's. */
function sealedBehind(ephemeralKey: Uint8Array): Uint8Array {
  const binding = bindingOf('ecdh', KEYS.ecdh);
  const info = encodeInfo('bulla/v1 ecdh', ephemeralKey, EC_KEYS.alice.publicKey, binding);
  const Z = sharedSecret(EC_KEYS.bob.privateKey, EC_KEYS.alice.publicKey);
  return gcmSeal(hkdf(Z, new Uint8Array(), info), new Uint8Array(12), binding, DATA_KEY);
}

const bob = EC_KEYS.bob.publicKey;
const compressed = concat(Uint8Array.of(2 + ((bob[96] ?? 0) & 1)), bob.subarray(1, 49));
const flipped = (bytes: Uint8Array, index: number, bit = 1): Uint8Array =>
  bytes.with(index, (bytes.at(index) ?? 0) ^ bit);
const forAlice = { keys: [KEYS.ecdh] };
const points: InvalidCase[] = [
  ...[0, 1, 2, 3, 5, 6, 7, 0x40, 0x84].map((first) =>
    malformed(
      '§8.1',
      `ecdh: ephemeral key with the first byte ${first}`,
      craft({ wrapped: [ecdhWith(concat(Uint8Array.of(first), bob.subarray(1)))] }),
      forAlice,
    ),
  ),
  malformed(
    '§8.1',
    'ecdh: ephemeral key of 97 zero bytes',
    craft({ wrapped: [ecdhWith(new Uint8Array(97))] }),
    forAlice,
  ),
  malformed('§7.1', 'ecdh: ephemeral key compressed', craft({ wrapped: [ecdhWith(compressed)] }), forAlice),
  malformed('§7.1', 'ecdh: ephemeral key at infinity', craft({ wrapped: [ecdhWith(new Uint8Array(1))] }), forAlice),
  malformed(
    '§7.1',
    'ecdh: ephemeral key without its first byte',
    craft({ wrapped: [ecdhWith(bob.subarray(1))] }),
    forAlice,
  ),
  malformed(
    '§7.1',
    'ecdh: ephemeral key of P-256',
    craft({ wrapped: [ecdhWith(concat(Uint8Array.of(4), random('P-256', 64)))] }),
    forAlice,
  ),
  malformed(
    '§8.1',
    'ecdh: compressed key filled up to 97 bytes',
    craft({ wrapped: [ecdhWith(concat(compressed, new Uint8Array(48)))] }),
    forAlice,
  ),
  failed(
    '§8.1',
    'ecdh: ephemeral key (0, 0)',
    craft({ wrapped: [ecdhWith(concat(Uint8Array.of(4), new Uint8Array(96)))] }),
    forAlice,
  ),
  failed(
    '§8.1',
    'ecdh: ephemeral key off the curve by its last bit',
    craft({ wrapped: [ecdhWith(flipped(bob, 96))] }),
    forAlice,
  ),
  failed(
    '§8.1',
    'ecdh: ephemeral key off the curve by its X coordinate',
    craft({ wrapped: [ecdhWith(flipped(bob, 1))] }),
    forAlice,
  ),
  failed(
    '§8.1',
    'ecdh: ephemeral key of all ones',
    craft({ wrapped: [ecdhWith(concat(Uint8Array.of(4), new Uint8Array(96).fill(0xff)))] }),
    forAlice,
  ),
  failed(
    '§8.1',
    'ecdh: ephemeral key with an unreduced X coordinate',
    craft({ wrapped: [ecdhWith(unreducedPoint())] }),
    forAlice,
  ),
  failed(
    '§8.1',
    'ecdh: ephemeral key with its coordinates swapped',
    craft({ wrapped: [ecdhWith(concat(bob.subarray(0, 1), bob.subarray(49), bob.subarray(1, 49)))] }),
    forAlice,
  ),
  failed(
    '§7.5',
    'ecdh: ephemeral key negated',
    craft({ wrapped: [withMethodBody(wrapFor('ecdh'), 'ecdh', negated())] }),
    forAlice,
  ),
  failed(
    '§8.1',
    'service-ecdh: ephemeral key off the curve',
    craft({
      wrapped: [
        withMethodBody(
          wrapFor('service-ecdh'),
          'service-ecdh',
          encodeFields([len(1, flipped(bob, 96)), len(2, random('sealed', 48))]),
        ),
      ],
    }),
    { keys: [KEYS['service-ecdh']] },
  ),
  malformed(
    '§8.1',
    'service-ecdh: ephemeral key with the first byte 6',
    craft({
      wrapped: [
        withMethodBody(
          wrapFor('service-ecdh'),
          'service-ecdh',
          encodeFields([len(1, concat(Uint8Array.of(6), bob.subarray(1))), len(2, random('sealed', 48))]),
        ),
      ],
    }),
    { keys: [KEYS['service-ecdh']] },
  ),
];

/** The right entry with -P for P: the same shared secret, and another info. */
function negated(): Uint8Array {
  const p = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
  const body = split(wrapFor('ecdh')).find(({ number }) => number === METHODS.ecdh.number)?.value as Uint8Array;
  const [point, sealed] = split(body).map(({ value }) => value as Uint8Array);
  const y = BigInt(`0x${Buffer.from(point?.subarray(49) ?? []).toString('hex')}`);
  const minusY = Buffer.from((p - y).toString(16).padStart(96, '0'), 'hex');
  return encodeFields([len(1, concat(point?.subarray(0, 49) ?? new Uint8Array(), minusY)), len(2, sealed ?? '')]);
}

const rsaWith = (encryptedKey: Uint8Array, dataKey = DATA_KEY): Uint8Array =>
  craft({ dataKey, wrapped: [writeWrappedKey('rsa', KEYS.rsa, { encryptedKey })] });
const forRsa = { keys: [KEYS.rsa] };
const binding = bindingOf('rsa', KEYS.rsa);
const rsa: InvalidCase[] = [
  ...[0, 1, 31, 33, 64].map((length) => {
    const dataKey = concat(DATA_KEY, DATA_KEY).subarray(0, length);
    return failed('§8.4', `rsa: data key of ${length} bytes`, rsaWith(rsaEncrypt(KEYS.rsa, dataKey), dataKey), forRsa);
  }),
  ...[1, 256, 383, 1025, 2048].map((length) =>
    malformed('§8.4', `rsa: encrypted key of ${length} bytes`, rsaWith(random('rsa', length)), forRsa),
  ),
  failed(
    '§7.5',
    'rsa: encrypted key with a zero byte before it',
    rsaWith(concat(Uint8Array.of(0), rsaEncrypt(KEYS.rsa, DATA_KEY))),
    forRsa,
  ),
  failed('§7.5', 'rsa: encrypted key of 1,024 bytes for a key of 384', rsaWith(random('rsa', 1024)), forRsa),
  failed('§7.5', 'rsa: encrypted key above the modulus', rsaWith(new Uint8Array(384).fill(0xff)), forRsa),
  failed('§7.5', 'rsa: encrypted key 0', rsaWith(new Uint8Array(384)), forRsa),
  failed(
    '§7.5',
    'rsa: a bit of the encrypted key flipped',
    rsaWith(flipped(rsaEncrypt(KEYS.rsa, DATA_KEY), 200)),
    forRsa,
  ),
  failed('§7.5', 'rsa: no label', rsaWith(rsaEncrypt(KEYS.rsa, DATA_KEY, new Uint8Array())), forRsa),
  failed(
    '§7.5',
    'rsa: label of another method',
    rsaWith(rsaEncrypt(KEYS.rsa, DATA_KEY, bindingOf('aes', KEYS.rsa))),
    forRsa,
  ),
  failed(
    '§7.5',
    'rsa: OAEP with SHA-256',
    rsaWith(rsaEncrypt(KEYS.rsa, DATA_KEY, binding, { hash: 'sha256', mgfHash: 'sha256' })),
    forRsa,
  ),
  failed('§7.5', 'rsa: MGF1 with SHA-1', rsaWith(rsaEncrypt(KEYS.rsa, DATA_KEY, binding, { mgfHash: 'sha1' })), forRsa),
  failed('§7.5', 'rsa: PKCS #1 v1.5', rsaWith(pkcs1Encrypt(RSA_KEYS['rsa-3072'].jwk, DATA_KEY)), forRsa),
  failed('§7.5', 'rsa: to another key', craft({ wrapped: [wrapFor('rsa')] }), {
    keys: [{ ...KEYS.rsa, key: 'rsa-4096' }],
  }),
];

/** The right entry with another count, which the parse refuses before any derivation. */
function iterations(count: number): Uint8Array {
  const body = split(wrapFor('passphrase')).find(({ number }) => number === METHODS.passphrase.number)
    ?.value as Uint8Array;
  const fields = split(body).map((field) => (field.number === 2 ? num(2, count) : field));
  return craft({ wrapped: [withMethodBody(wrapFor('passphrase'), 'passphrase', encodeFields(fields))] });
}

const forPassphrase = { keys: [KEYS.passphrase] };
const passphrases: InvalidCase[] = [
  ...[1, 1000, 599_999].map((count) =>
    malformed('§8.5', `passphrase: ${count} iterations`, iterations(count), forPassphrase),
  ),
  ...[10_000_001, 2 ** 31, 2 ** 32 - 1].map((count) =>
    limit('§8.5', `passphrase: ${count} iterations`, iterations(count), forPassphrase),
  ),
  failed('§7.5', 'passphrase: another count than it was wrapped with', iterations(600_001), forPassphrase),
  failed('§7.5', 'passphrase: a wrong one', craft({ wrapped: [wrapFor('passphrase')] }), {
    keys: [{ ...KEYS.passphrase, key: 'passphrase-nfc' }],
  }),
];

const services: InvalidCase[] = [
  limit(
    '§2.4',
    'service: 8,193 bytes',
    craft({
      wrapped: [
        wrapFor('aes'),
        writeWrappedKey('service', { keyId: 'k', serviceId: 's' }, { opaque: new Uint8Array(8193).fill(1) }),
      ],
    }),
  ),
  broken('ERR_NO_MATCHING_KEY')(
    '§7.5',
    'service: alone, for a reader without a service',
    craft({ wrapped: [serviceEntry()] }),
  ),
];

const none = new Uint8Array();
const providerKey = PROVIDER_KEYS['kms-1'];
const kmsDigest = sha384(bindingOf('kms', KEYS.kms));
const kmsNonce = random('kms by mistake', 12);
const kmsEntry = (opaque: Uint8Array, name: Partial<VectorKey> = {}): Uint8Array =>
  writeWrappedKey('kms', { ...KEYS.kms, ...name }, { opaque });
const forKms = (changes: Partial<VectorKey> = {}) => ({ keys: [{ ...KEYS.kms, ...changes }] });
/** An entry whose provider was given this to encrypt, with this additional data. */
const provided = (plaintext: Uint8Array, additional = kmsDigest, key = providerKey): Uint8Array =>
  kmsEntry(modelSeal(key, kmsNonce, plaintext, additional));
const whole = concat(kmsDigest, DATA_KEY);
const digestOf = (changes: Partial<VectorKey>) => sha384(bindingOf('kms', { ...KEYS.kms, ...changes }));
const kmsBody = (wrapped: Uint8Array): Uint8Array =>
  split(wrapped).find(({ number }) => number === METHODS.kms.number)?.value as Uint8Array;
/** The right ciphertext under another name, which the reader expects; the provider passes over additional data. */
const carried = (changes: Partial<VectorKey>): Uint8Array =>
  kmsEntry(modelSeal(providerKey, kmsNonce, whole, digestOf(changes)), changes);

const providers: InvalidCase[] = [
  limit(
    '§2.4',
    'kms: 8,193 bytes',
    craft({
      wrapped: [wrapFor('aes'), writeWrappedKey('kms', { keyId: 'k' }, { opaque: new Uint8Array(8193).fill(1) })],
    }),
  ),
  ...(
    [
      ['the data key alone', DATA_KEY],
      ['nothing', none],
      ['79 bytes', whole.subarray(1)],
      ['a byte behind the data key', concat(whole, Uint8Array.of(0))],
      ['the data key twice behind the digest', concat(whole, DATA_KEY)],
      ['the digest behind the data key', concat(DATA_KEY, kmsDigest)],
      ['48 zero bytes in place of the digest', concat(new Uint8Array(48), DATA_KEY)],
      ['the binding itself in place of its digest', concat(bindingOf('kms', KEYS.kms).subarray(0, 48), DATA_KEY)],
      ['the digest of the method service', concat(sha384(bindingOf('service', KEYS.kms)), DATA_KEY)],
      ['a digest whose last bit is another', concat(flipped(kmsDigest, 47), DATA_KEY)],
      ['a digest whose first bit is another', concat(flipped(kmsDigest, 0, 0x80), DATA_KEY)],
    ] as const
  ).map(([name, plaintext]) =>
    failed('§8.10', `kms: ${name} was wrapped`, craft({ wrapped: [provided(plaintext)] }), forKms()),
  ),
  ...(
    [
      ['key id', { keyId: 'model:other' }],
      ['key context', { keyContext: [['p', '1']] }],
      ['key context, none', { keyContext: [] }],
    ] as const
  ).flatMap(([name, changes]) => [
    failed(
      '§8.10',
      `kms: wrapped under another ${name}, by a provider that passes over additional data`,
      craft({ wrapped: [carried(changes)] }),
      forKms(changes),
    ),
    failed(
      '§7.5',
      `kms: renamed to another ${name}`,
      craft({ wrapped: [withMethodBody(wrapFor('kms', changes), 'kms', kmsBody(wrapFor('kms')))] }),
      { also: ['§8.11'], ...forKms(changes) },
    ),
  ]),
  ...(
    [
      ['without additional data', provided(whole, none)],
      ['with the binding itself as additional data', provided(whole, bindingOf('kms', KEYS.kms))],
      ['under another key of the provider', provided(whole, kmsDigest, PROVIDER_KEYS['kms-2'])],
      ['shorter than its nonce', kmsEntry(random('short', 5))],
      ['of random bytes', kmsEntry(random('random', 108))],
      ['cut by a byte', kmsEntry(modelSeal(providerKey, kmsNonce, whole, kmsDigest).subarray(0, -1))],
    ] as const
  ).map(([name, wrapped]) =>
    failed('§7.5', `kms: ciphertext ${name}`, craft({ wrapped: [wrapped] }), { also: ['§8.13'], ...forKms() }),
  ),
  failed('§5.5', 'kms: another data key', craft({ wrapped: [wrapFor('kms', {}, random('another data key', 32))] }), {
    also: ['§8.10'],
    ...forKms(),
  }),
  failed(
    '§7.5',
    'kms: the right entry behind four for the same key that do not unwrap',
    craft({ wrapped: [...many(4, kmsEntry(random('random', 108))), wrapFor('kms')] }),
    { also: ['§8.12'], ...forKms() },
  ),
  broken('ERR_NO_MATCHING_KEY')('§7.5', 'kms: of another provider', craft({ wrapped: [wrapFor('kms')] }), {
    also: ['§8.9'],
    ...forKms({ keyId: 'other:kms-1' }),
  }),
  broken('ERR_NO_MATCHING_KEY')(
    '§7.5',
    'kms: alone, for a reader without a provider',
    craft({ wrapped: [wrapFor('kms')] }),
  ),
];

const aesKek = AES_KEYS['aes-1'];
const aesBinding = bindingOf('aes', KEYS.aes);
const aesSalt = random('aes by mistake', 32);
const aesInfo = encodeInfo('bulla/v1 aes', aesBinding);
const aesWith = (sealedKey: Uint8Array): Uint8Array =>
  craft({ wrapped: [writeWrappedKey('aes', KEYS.aes, { salt: aesSalt, sealedKey })] });
const rightK = hkdf(aesKek, aesSalt, aesInfo);
/** Entries that a writer with one mistake makes. */
const mistakes: InvalidCase[] = (
  [
    ['sealed without additional data', gcmSeal(rightK, new Uint8Array(12), none, DATA_KEY)],
    ['sealed with another nonce', gcmSeal(rightK, new Uint8Array(12).with(11, 1), aesBinding, DATA_KEY)],
    ['sealed under the key encryption key itself', gcmSeal(aesKek, new Uint8Array(12), aesBinding, DATA_KEY)],
    ['derived without salt', gcmSeal(hkdf(aesKek, none, aesInfo), new Uint8Array(12), aesBinding, DATA_KEY)],
    [
      'derived with an info that is not hashed',
      gcmSeal(
        hkdf(aesKek, aesSalt, concat(utf8('bulla/v1 aes'), aesBinding)),
        new Uint8Array(12),
        aesBinding,
        DATA_KEY,
      ),
    ],
    [
      'derived with an info of the binding without its length',
      gcmSeal(
        hkdf(aesKek, aesSalt, concat(utf8('bulla/v1 aes'), Uint8Array.of(0), aesBinding)),
        new Uint8Array(12),
        aesBinding,
        DATA_KEY,
      ),
    ],
    [
      'binding of another method',
      gcmSeal(
        hkdf(aesKek, aesSalt, encodeInfo('bulla/v1 aes', bindingOf('rsa', KEYS.aes))),
        new Uint8Array(12),
        bindingOf('rsa', KEYS.aes),
        DATA_KEY,
      ),
    ],
    ['data key of 32 zero bytes', gcmSeal(rightK, new Uint8Array(12), aesBinding, new Uint8Array(32))],
  ] as const
).map(([name, sealed]) =>
  failed(name.startsWith('data key') ? '§5.5' : '§7.5', `aes: ${name}`, aesWith(sealed), {
    also: name.startsWith('derived') ? ['§4.3', '§8.3'] : ['§8.3'],
  }),
);

/** Each entry with one bit of one field flipped. */
const flips: InvalidCase[] = (['ecdh', 'service-ecdh', 'aes'] as const).flatMap((method) => {
  const wrapped = wrapFor(method);
  const body = split(wrapped).find(({ number }) => number === METHODS[method].number)?.value as Uint8Array;
  const fields = split(body);
  const change = (index: number, at: number): Uint8Array =>
    withMethodBody(
      wrapped,
      method,
      encodeFields(
        fields.map((each, n) => (n === index ? { ...each, value: flipped(each.value as Uint8Array, at, 0x80) } : each)),
      ),
    );
  const more = { keys: [KEYS[method]] };
  return [
    ...[0, 31, 32, 47].map((at) =>
      failed('§7.5', `${method}: byte ${at} of the sealed key changed`, craft({ wrapped: [change(1, at)] }), more),
    ),
    ...(method === 'aes' ? [failed('§7.5', 'aes: salt changed', craft({ wrapped: [change(0, 5)] }), more)] : []),
  ];
});

const renamed = (
  name: string,
  code: Code,
  from: Partial<VectorKey>,
  to: Partial<VectorKey>,
  expected = to,
): InvalidCase => {
  const body = split(wrapFor('aes', from)).find(({ number }) => number === METHODS.aes.number)?.value as Uint8Array;
  const wrapped = withMethodBody(wrapFor('aes', to), 'aes', body);
  return broken(code)('§7.5', `wrapped key: ${name}`, craft({ wrapped: [wrapped] }), reader(KEYS.aes, expected));
};

/** A message for a reader of a key with other expectations than it was wrapped with. */
const expecting = (
  method: keyof typeof KEYS,
  name: string,
  wrapped: Partial<VectorKey>,
  reading: Partial<VectorKey>,
): InvalidCase =>
  broken('ERR_NO_MATCHING_KEY')('§7.5', `keys: ${method}, ${name}`, craft({ wrapped: [wrapFor(method, wrapped)] }), {
    also: ['§7.6'],
    ...reader({ ...KEYS[method], ...wrapped }, reading),
  });
const unlessService = ['ecdh', 'aes', 'rsa', 'passphrase'] as const; // kms has no versions, §8.9

/** What a reader must not open, though it has the key. */
const expectations: InvalidCase[] = [
  ...unlessService.flatMap((method) => [
    expecting(method, 'a lower version than that of the reader', { version: 1 }, { version: 2 }),
    expecting(method, 'a higher version than that of the reader', { version: 2 }, { version: 1 }),
    expecting(method, 'a version, and a reader that is configured with none', { version: 1 }, { version: 0 }),
  ]),
  ...(Object.keys(KEYS) as (keyof typeof KEYS)[]).flatMap((method) => [
    expecting(
      method,
      'a key context, and a reader that is configured with none',
      { keyContext: [['a', '1']] },
      { keyContext: [] },
    ),
    expecting(
      method,
      'no key context, and a reader that is configured with one',
      { keyContext: [] },
      { keyContext: [['a', '1']] },
    ),
    expecting(
      method,
      'a pair more than the reader expects',
      {
        keyContext: [
          ['a', '1'],
          ['b', '2'],
        ],
      },
      { keyContext: [['a', '1']] },
    ),
  ]),
];

const anotherDataKey = random('another data key', 32);
const aes2: VectorKey = { method: 'aes', key: 'aes-2', keyId: 'aes-2' };
const forAes2 = (data?: Uint8Array): Uint8Array => wrapFor('aes', { ...aes2, version: 0, keyContext: [] }, data);

/** A reader that goes on after a wrong data key, or goes another way, opens these. */
const choices: InvalidCase[] = [
  failed(
    '§5.5',
    'choice: an entry of another data key before the right one',
    craft({ wrapped: [wrapFor('aes', {}, anotherDataKey), wrapFor('aes')] }),
    { also: ['§7.5'] },
  ),
  failed(
    '§5.5',
    'choice: an entry of another data key before the right one, by ecdh',
    craft({ wrapped: [wrapFor('ecdh', {}, anotherDataKey), wrapFor('ecdh')] }),
    { also: ['§7.5'], keys: [KEYS.ecdh] },
  ),
  failed(
    '§5.5',
    'choice: an entry of another data key for the first key of the reader, behind the right one',
    craft({ wrapped: [forAes2(), wrapFor('aes', {}, anotherDataKey)] }),
    { also: ['§7.5'], keys: [KEYS.aes, aes2] },
  ),
  failed(
    '§5.5',
    'choice: the same, by two methods',
    craft({ wrapped: [wrapFor('aes'), wrapFor('ecdh', {}, anotherDataKey)] }),
    { also: ['§7.5'], keys: [KEYS.ecdh, KEYS.aes] },
  ),
];

const renames: InvalidCase[] = [
  renamed('key id changed, and expected so', 'ERR_DECRYPTION_FAILED', {}, { keyId: 'other' }),
  renamed('version changed', 'ERR_DECRYPTION_FAILED', {}, { version: 1 }),
  renamed('version lowered', 'ERR_DECRYPTION_FAILED', { version: 2 }, { version: 1 }),
  renamed(
    'key context changed, and expected so',
    'ERR_DECRYPTION_FAILED',
    {},
    {
      keyContext: [
        ['p', '1'],
        ['q', '3'],
      ],
    },
  ),
  renamed('key context removed, and expected so', 'ERR_DECRYPTION_FAILED', {}, { keyContext: [] }),
  renamed(
    'key context changed',
    'ERR_NO_MATCHING_KEY',
    {},
    {
      keyContext: [
        ['p', '1'],
        ['q', '3'],
      ],
    },
    {},
  ),
  renamed('key context removed', 'ERR_NO_MATCHING_KEY', {}, { keyContext: [] }, {}),
  renamed('key id changed', 'ERR_NO_MATCHING_KEY', {}, { keyId: 'other' }, {}),
  broken('ERR_NO_MATCHING_KEY')(
    '§7.5',
    'wrapped key: another key context than the reader expects',
    craft(),
    reader(KEYS.aes, { keyContext: [] }),
  ),
];

export const INVALID_CONTENTS: readonly InvalidCase[] = [
  ...header,
  longName,
  ...wrappedKeys,
  ...points,
  ...rsa,
  ...passphrases,
  ...services,
  ...providers,
  ...mistakes,
  ...flips,
  ...renames,
  ...expectations,
  ...choices,
];

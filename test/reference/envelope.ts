// Envelope, Header and WrappedKey of docs/format.md §2, §3, §7 and §8: the tables of their fields, and what may stand in them.

import { check, concat, encodeMap, lp, type Pair, sortPairs, u16, u32, utf8 } from './bytes.ts';
import {
  bytes,
  decode,
  encode,
  encodeField,
  list,
  pair,
  type Schema,
  split,
  string,
  uint,
  type Values,
} from './protobuf.ts';

export const ENVELOPE = { header: [1, bytes], keys: [2, list(bytes)], commitment: [3, bytes] } as const;

export const HEADER = {
  suite: [1, uint],
  salt: [2, bytes],
  segmentSizeLog2: [3, uint],
  created: [4, uint],
  keyUse: [5, uint],
  contextNames: [6, list(string(256))],
  contentType: [7, string(256)],
  metadata: [8, list(pair(8192))],
} as const;
export type Header = Values<typeof HEADER>;

export const WRAPPED_KEY = {
  keyId: [1, string(256)],
  version: [2, uint],
  serviceId: [3, string(256)],
  keyContext: [4, list(pair(1024))],
} as const;
/** What names a key, on both sides (§7.6). */
export type KeyName = Values<typeof WRAPPED_KEY>;

/** The wrapping methods: field number, AEAD id (§7.3), whether a service holds the key (§7.1), and fields. */
export const METHODS = {
  ecdh: { number: 16, aead: 1, ofService: false, fields: { ephemeralKey: [1, bytes], sealedKey: [2, bytes] } },
  'service-ecdh': { number: 17, aead: 1, ofService: true, fields: { ephemeralKey: [1, bytes], sealedKey: [2, bytes] } },
  aes: { number: 18, aead: 1, ofService: false, fields: { salt: [1, bytes], sealedKey: [2, bytes] } },
  rsa: { number: 19, aead: 0, ofService: false, fields: { encryptedKey: [1, bytes] } },
  passphrase: {
    number: 20,
    aead: 1,
    ofService: false,
    fields: { salt: [1, bytes], iterations: [2, uint], sealedKey: [3, bytes] },
  },
  service: { number: 21, aead: 0, ofService: true, fields: { opaque: [1, bytes] } },
} as const;
export type Method = keyof typeof METHODS;

/** What the methods consist of; each has some of it. */
export interface Parts {
  readonly ephemeralKey: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly sealedKey: Uint8Array;
  readonly encryptedKey: Uint8Array;
  readonly opaque: Uint8Array;
}

export interface WrappedKey extends KeyName {
  /** Absent where it is unknown (§7.4). */
  readonly method: Method | undefined;
  readonly parts: Partial<Parts>;
}

export function readEnvelope(input: Uint8Array) {
  const { header, keys, commitment } = decode(ENVELOPE, input);
  check(header.length > 0 && keys.length > 0 && commitment.length === 32, '§2.1');
  check(header.length <= 65_536 && keys.every((key) => key.length <= 16_384), '§2.4', 'ERR_LIMIT_EXCEEDED');
  const wrapped = keys.map(readWrappedKey);
  check(wrapped.filter(({ method }) => method === 'passphrase').length <= 1, '§8.6');
  return { header, keys: wrapped, commitment };
}

export function readHeader(input: Uint8Array): Header {
  const header = decode(HEADER, input, (number) => number >= 1024);
  const { suite, salt, segmentSizeLog2, created, keyUse } = header;
  check(suite !== 0, '§3.1');
  check(suite === 1, '§3.1', 'ERR_UNSUPPORTED_SUITE');
  check(salt.length === 32 && segmentSizeLog2 >= 12 && segmentSizeLog2 <= 22 && created > 0 && keyUse > 0, '§3.1');
  check(keyUse <= 2, '§2.2e');
  checkAscending(
    header.contextNames.map((name) => [name, '']),
    '§3.3',
  );
  checkAscending(header.metadata, '§3.4');
  return header;
}

export function readWrappedKey(input: Uint8Array): WrappedKey {
  const isMethod = (number: number): boolean => number >= 16 && number <= 127;
  const name = decode(WRAPPED_KEY, input, isMethod);
  const [field, ...more] = split(input).filter(({ number }) => isMethod(number));
  check(field !== undefined && more.length === 0, '§7.2');
  check(field.wire === 2, '§2.2c');
  check(name.keyId !== '', '§7.1');
  checkAscending(name.keyContext, '§7.1');
  const method = (Object.keys(METHODS) as Method[]).find((each) => METHODS[each].number === field.number);
  if (method === undefined) return { ...name, method, parts: {} }; // §7.4
  check((name.serviceId !== '') === METHODS[method].ofService, '§7.1');
  const parts: Partial<Parts> = decode(METHODS[method].fields, field.value as Uint8Array);
  checkParts(parts);
  return { ...name, method, parts };
}

/** Lengths and ranges (§8); what is undefined here is no field of the method. */
function checkParts({
  ephemeralKey,
  salt,
  iterations = 600_000,
  sealedKey,
  encryptedKey,
  opaque,
}: Partial<Parts>): void {
  check(salt === undefined || salt.length === 32, '§7.1');
  check(sealedKey === undefined || sealedKey.length === 48, '§7.1');
  check(ephemeralKey === undefined || ephemeralKey.length === 97, '§7.1');
  check(ephemeralKey === undefined || ephemeralKey[0] === 4, '§8.1');
  check(encryptedKey === undefined || (encryptedKey.length >= 384 && encryptedKey.length <= 1024), '§8.4');
  check(iterations >= 600_000, '§8.5');
  check(iterations <= 10_000_000, '§8.5', 'ERR_LIMIT_EXCEEDED');
  check(opaque === undefined || opaque.length <= 8192, '§2.4', 'ERR_LIMIT_EXCEEDED');
}

/** Names are not empty and strictly ascending by their UTF-8 bytes. */
function checkAscending(pairs: readonly Pair[], clause: string): void {
  for (const [index, [name]] of pairs.entries()) {
    check(Buffer.compare(utf8(pairs[index - 1]?.[0] ?? ''), utf8(name)) < 0, clause);
  }
}

/** §7.3: what every method binds. */
export function encodeBinding(method: Method, name: Partial<KeyName>): Uint8Array {
  const { keyId = '', version = 0, serviceId = '', keyContext = [] } = name;
  const aead = u16(METHODS[method].aead);
  return concat(...[utf8(method), aead, utf8(serviceId), utf8(keyId), u32(version), encodeMap(keyContext)].map(lp));
}

export function writeWrappedKey(method: Method, name: Partial<KeyName>, parts: Partial<Parts>): Uint8Array {
  const { number, fields } = METHODS[method];
  const sorted = { ...name, keyContext: sortPairs(name.keyContext ?? []) };
  return concat(encode(WRAPPED_KEY, sorted), encodeField(number, encode<Schema>(fields, { ...parts })));
}

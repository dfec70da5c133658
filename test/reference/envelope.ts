// Envelope, Header and WrappedKey of docs/format.md §2, §3 and §7: what may stand in them, read and written.

import {
  check,
  checkAscending,
  concat,
  encodeMap,
  field,
  lp,
  Message,
  type Pair,
  pairFields,
  readString,
  u16,
  u32,
  utf8,
} from './wire.ts';

/** The wrapping methods: field number, AEAD id (§7.3) and whether a service holds the key (§7.1). */
export const METHODS = {
  ecdh: { number: 16, aead: 1, ofService: false },
  'service-ecdh': { number: 17, aead: 1, ofService: true },
  aes: { number: 18, aead: 1, ofService: false },
  rsa: { number: 19, aead: 0, ofService: false },
  passphrase: { number: 20, aead: 1, ofService: false },
  service: { number: 21, aead: 0, ofService: true },
} as const;
export type Method = keyof typeof METHODS;

/** What names a key, on both sides (§7.6). */
export interface KeyName {
  readonly keyId: string;
  readonly version?: number;
  readonly serviceId?: string;
  readonly keyContext?: readonly Pair[];
}

export interface WrappedKey extends Required<KeyName> {
  /** Absent where the method is unknown (§7.4). */
  readonly method: Method | undefined;
  readonly ephemeralKey: Uint8Array;
  readonly salt: Uint8Array;
  readonly iterations: number;
  /** sealed_key, encrypted_key or opaque. */
  readonly sealed: Uint8Array;
}

export interface Header {
  readonly salt: Uint8Array;
  readonly segmentSizeLog2: number;
  readonly created: number;
  readonly keyUse: 'SINGLE' | 'SHARED';
  readonly contextNames: readonly string[];
  readonly contentType: string;
  readonly metadata: readonly Pair[];
}

export interface Envelope {
  readonly header: Uint8Array;
  readonly keys: readonly WrappedKey[];
  readonly commitment: Uint8Array;
}

export function readEnvelope(input: Uint8Array): Envelope {
  const message = new Message(input, (number) => number <= 3, [2]);
  const header = message.bytes(1);
  const keys = message.list(2);
  const commitment = message.bytes(3);
  check(header.length > 0 && keys.length > 0 && commitment.length === 32, 'ERR_MALFORMED', '§2.1');
  const isWithinLimits = header.length <= 65_536 && keys.length <= 64 && keys.every((key) => key.length <= 16_384);
  check(isWithinLimits, 'ERR_LIMIT_EXCEEDED', '§2.4');
  const wrapped = keys.map(readWrappedKey);
  check(wrapped.filter(({ method }) => method === 'passphrase').length <= 1, 'ERR_MALFORMED', '§8.6');
  return { header, keys: wrapped, commitment };
}

export function readHeader(input: Uint8Array): Header {
  const message = new Message(
    input,
    (number) => number <= 8,
    [6, 8],
    (number) => number >= 1024,
  );
  const suite = message.uint(1);
  check(suite !== 0, 'ERR_MALFORMED', '§3.1');
  check(suite === 1, 'ERR_UNSUPPORTED_SUITE', '§3.1');
  const [salt, segmentSizeLog2, created, keyUse] = [
    message.bytes(2),
    message.uint(3),
    message.uint(4),
    message.uint(5),
  ];
  check(salt.length === 32 && created !== 0 && keyUse !== 0, 'ERR_MALFORMED', '§3.1');
  check(segmentSizeLog2 >= 12 && segmentSizeLog2 <= 22, 'ERR_MALFORMED', '§3.1');
  check(keyUse <= 2, 'ERR_MALFORMED', '§2.2e');
  const names = message.list(6);
  check(names.length <= 64, 'ERR_LIMIT_EXCEEDED', '§2.4');
  const contextNames = names.map((name) => readString(name, 256));
  checkAscending(contextNames, '§3.3');
  const contentType = message.string(7, 256);
  const metadata = message.pairs(8, 8192, '§3.4');
  return {
    salt,
    segmentSizeLog2,
    created,
    keyUse: keyUse === 1 ? 'SINGLE' : 'SHARED',
    contextNames,
    contentType,
    metadata,
  };
}

export function readWrappedKey(input: Uint8Array): WrappedKey {
  const message = new Message(input, (number) => number <= 4 || (number >= 16 && number <= 127), [4]); // §7.4
  const keyId = message.string(1, 256);
  const version = message.uint(2);
  const serviceId = message.string(3, 256);
  check(keyId !== '', 'ERR_MALFORMED', '§7.1');
  const keyContext = message.pairs(4, 1024, '§7.1');
  const numbers = message.fields.map(({ number }) => number).filter((number) => number >= 16);
  check(numbers.length === 1, 'ERR_MALFORMED', '§7.2');
  const [number = 0] = numbers;
  const body = message.bytes(number); // refuses an unknown method that is not length-delimited
  const method = (Object.keys(METHODS) as Method[]).find((name) => METHODS[name].number === number);
  if (method !== undefined) check((serviceId !== '') === METHODS[method].ofService, 'ERR_MALFORMED', '§7.1');
  return { keyId, version, serviceId, keyContext, method, ...readMethod(method, body) };
}

function readMethod(method: Method | undefined, body: Uint8Array) {
  const result = { ephemeralKey: new Uint8Array(), salt: new Uint8Array(), iterations: 0, sealed: body };
  if (method === undefined) return result;
  const last = { ecdh: 2, 'service-ecdh': 2, aes: 2, rsa: 1, passphrase: 3, service: 1 }[method];
  const message = new Message(body, (number) => number <= last);
  const first = message.bytes(1);
  const sealed = message.bytes(last);
  switch (method) {
    case 'rsa':
      check(sealed.length >= 384 && sealed.length <= 1024, 'ERR_MALFORMED', '§8.4');
      return { ...result, sealed };
    case 'service':
      check(sealed.length > 0, 'ERR_MALFORMED', '§7.1');
      check(sealed.length <= 8192, 'ERR_LIMIT_EXCEEDED', '§2.4');
      return { ...result, sealed };
    case 'ecdh':
    case 'service-ecdh':
      check(first.length === 97 && sealed.length === 48, 'ERR_MALFORMED', '§7.1');
      check(first[0] === 4, 'ERR_MALFORMED', '§8.1');
      return { ...result, ephemeralKey: first, sealed };
    default: {
      check(first.length === 32 && sealed.length === 48, 'ERR_MALFORMED', '§7.1');
      const iterations = method === 'passphrase' ? message.uint(2) : 0;
      check(method === 'aes' || iterations >= 600_000, 'ERR_MALFORMED', '§8.5');
      check(iterations <= 10_000_000, 'ERR_LIMIT_EXCEEDED', '§8.5');
      return { ...result, salt: first, iterations, sealed };
    }
  }
}

/** §7.3: what every method binds. */
export function encodeBinding(
  method: Method,
  { keyId, version = 0, serviceId = '', keyContext = [] }: KeyName,
): Uint8Array {
  const parts = [
    utf8(method),
    u16(METHODS[method].aead),
    utf8(serviceId),
    utf8(keyId),
    u32(version),
    encodeMap(keyContext),
  ];
  return concat(...parts.map(lp));
}

export function writeHeader(header: Header, extraFields: Uint8Array): Uint8Array {
  const { salt, segmentSizeLog2, created, keyUse, contextNames, contentType, metadata } = header;
  const scalars = [
    field(1, 1),
    field(2, salt),
    field(3, segmentSizeLog2),
    field(4, created),
    field(5, keyUse === 'SINGLE' ? 1 : 2),
  ];
  const names = contextNames
    .map(utf8)
    .sort(Buffer.compare)
    .map((name) => field(6, name)); // §3.3
  return concat(...scalars, ...names, field(7, contentType), pairFields(8, metadata), extraFields);
}

export function writeWrappedKey(method: Method, name: KeyName, ...parts: (number | Uint8Array)[]): Uint8Array {
  const { keyId, version = 0, serviceId = '', keyContext = [] } = name;
  const body = concat(...parts.map((part, index) => field(index + 1, part)));
  const fields = [field(1, keyId), field(2, version), field(3, serviceId), pairFields(4, keyContext)];
  return concat(...fields, field(METHODS[method].number, body));
}

export function writeEnvelope(header: Uint8Array, keys: readonly Uint8Array[], commitment: Uint8Array): Uint8Array {
  return concat(field(1, header), ...keys.map((key) => field(2, key)), field(3, commitment));
}

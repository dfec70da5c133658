// An independent decryptor and encryptor of bulla messages, from docs/format.md alone; clauses stand beside the rules.
import * as crypto from 'node:crypto';

type Bytes = Uint8Array;
const EMPTY = new Uint8Array();
const [MALFORMED, LIMIT, FAILED] = ['ERR_MALFORMED', 'ERR_LIMIT_EXCEEDED', 'ERR_DECRYPTION_FAILED'];
const broken = (clause: string, code = FAILED) => Object.assign(new Error(`${code} by ${clause}`), { code, clause });
function check(condition: boolean, clause: string, code = MALFORMED): asserts condition {
  if (!condition) throw broken(clause, code);
}
/** What the first action gives that does not throw; otherwise the rule that the last one breaks, or the failure. */
function attempt<T>([action, ...others]: readonly (() => T)[], failure: unknown): T {
  if (action === undefined) throw failure;
  try {
    return action();
  } catch (error) {
    return attempt(others, 'clause' in (error as Error) ? error : failure);
  }
}

export const concat = (...parts: readonly Bytes[]): Bytes => new Uint8Array(Buffer.concat(parts));
export const u32 = (n: number): Bytes => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
export const lp = (bytes: Bytes): Bytes => concat(u32(bytes.length), bytes);
export function utf8(text: string): Bytes {
  if (/\p{Surrogate}/u.test(text)) throw new TypeError('a string has an unpaired surrogate'); // §4.2
  return new TextEncoder().encode(text);
}

type Pair = readonly string[]; // name and value
const isSame = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
const compare = (a: string, b: string) => Buffer.compare(utf8(a), utf8(b));
const sorted = (pairs: readonly Pair[]) => [...pairs].sort(([a = ''], [b = '']) => compare(a, b));
const namesOf = (pairs: readonly Pair[]) => pairs.map(([name = '']) => name);
const isAscending = (names: readonly string[]) => names.every((name, n) => compare(names[n - 1] ?? '', name) < 0);
export const encodeMap = (pairs: readonly Pair[]): Bytes =>
  concat(u32(pairs.length), ...sorted(pairs).flatMap((pair) => pair.map((text) => lp(utf8(text))))); // §4.4
// Canonical protobuf (§2.2): fields by the rules that need no table, then messages by their tables
export type Field = { readonly number: number; readonly wire: number; readonly value: bigint | Bytes };
export function split(input: Bytes): Field[] {
  const fields: Field[] = [];
  let at = 0;
  function take(length: number): Bytes {
    check(length <= input.length - at, '§2.2g');
    at += length;
    return input.subarray(at - length, at);
  }
  function takeVarint(low = 0n, shift = 0n): bigint {
    const [byte = 0] = take(1);
    const value = low + (BigInt(byte & 0x7f) << shift);
    check(value < 2n ** 64n && (byte !== 0 || shift === 0n), '§2.2a'); // so it has at most ten bytes
    return byte < 0x80 ? value : takeVarint(value, shift + 7n);
  }
  while (at < input.length) {
    const tag = takeVarint();
    const [number, wire] = [Number(tag >> 3n), Number(tag & 7n)];
    check(number >= 1 && number <= 536_870_911, '§2.2h');
    check(number >= (fields.at(-1)?.number ?? 0), '§2.2b');
    check([0, 1, 2, 5].includes(wire), '§2.2c');
    const value = wire === 0 ? takeVarint() : take(wire === 2 ? Number(takeVarint()) : wire === 1 ? 8 : 4);
    const digits = typeof value === 'bigint' ? [value] : value;
    check(wire === 2 ? digits.length > 0 : digits.some((digit) => digit > 0), '§2.2d');
    fields.push({ number, wire, value });
  }
  return fields;
}

type Range = readonly [least: number, most: number, clause: string, code?: string]; // of a number or length, absent: 0
/** The fields of a message: number, type (in brackets where repeated; the table of a Pair is one, too), ranges. */
type Table = { readonly [name: string]: readonly [number, Type | readonly [Type], ...Range[]] };
type Type = number | string | Bytes | Table;
type ValueOf<T> = T extends readonly [infer E] ? readonly ValueOf<E>[] : T extends Table ? Pair : T;
type Values<T extends Table> = { readonly [K in keyof T]: ValueOf<T[K][1]> };
const [UINT, STRING, BYTES]: readonly [number, string, Bytes] = [0, '', EMPTY];
/** Reads a message; fields that the table lacks are refused below the number `rest`, and ignored from there on. */
function decode<T extends Table>(table: T, input: Bytes, rest = Infinity): Values<T> {
  const fields = split(input);
  const known = Object.values(table).map(([number]) => number);
  for (const { number } of fields) check(known.includes(number) || number >= rest, '§2.3', 'ERR_UNSUPPORTED_FEATURE');
  const values = Object.entries(table).map(([name, [number, declared, ...ranges]]) => {
    const [type, isList] = [[declared].flat()[0] as Type, Array.isArray(declared)];
    const found = fields.filter((field) => field.number === number);
    check(found.length <= 64, '§2.4', LIMIT);
    check(isList || found.length <= 1, '§2.2b');
    const read = (isList ? found : [found[0]]).map((field) => decodeField(type, ranges, field));
    return [name, isList ? read : read[0]];
  });
  return Object.fromEntries(values) as Values<T>;
}
function decodeField(type: Type, ranges: readonly Range[], field?: Field): unknown {
  check(field === undefined || field.wire === (typeof type === 'number' ? 0 : 2), '§2.2c');
  const value = field?.value ?? EMPTY;
  const size = typeof value === 'bigint' ? Number(value) : value.length;
  check(size < 2 ** 32, '§2.2e');
  for (const [least, most, clause, code] of ranges) check(size >= least && size <= most, clause, code);
  if (typeof value === 'bigint' || typeof type === 'number') return size;
  if (typeof type === 'string') return attempt([() => UTF8.decode(value)], broken('§2.2f', MALFORMED));
  return type instanceof Uint8Array ? value : Object.values(decode(type, value));
}
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
type Value = number | string | Bytes | readonly Value[];
const varint = (n: number): Bytes => (n < 128 ? Uint8Array.of(n) : concat(Uint8Array.of(n | 128), varint(n >>> 7)));
function encodeField(number: number, value: Value): Bytes {
  if (typeof value === 'number') return value === 0 ? EMPTY : concat(varint(number * 8), varint(value)); // §2.2d
  if (typeof value === 'string') return encodeField(number, utf8(value));
  if (!(value instanceof Uint8Array)) return concat(...value.map((each) => encodeField(number, each)));
  return value.length === 0 ? EMPTY : concat(varint(number * 8 + 2), varint(value.length), value); // §2.2d
}
const encode = <T extends Table>(table: T, values: { [K in keyof T]?: Value | undefined }): Bytes =>
  concat(...Object.entries(table).map(([name, [number]]) => encodeField(number, values[name] ?? EMPTY)));

const limit = (most: number): Range => [0, most, '§2.4', LIMIT];
const pair = (most: number) => ({ name: [1, STRING, limit(256)], value: [2, STRING, limit(most)] }) as const;
const encodePairs = (pairs: readonly Pair[]) => sorted(pairs).map(([name, value]) => encode(pair(0), { name, value }));
const ENVELOPE = {
  header: [1, BYTES, [1, Infinity, '§2.1'], limit(65_536)],
  keys: [2, [BYTES], limit(16_384)],
  commitment: [3, BYTES, [32, 32, '§2.1']],
} as const;
const HEADER = {
  suite: [1, UINT, [1, Infinity, '§3.1']],
  salt: [2, BYTES, [32, 32, '§3.1']],
  segmentSizeLog2: [3, UINT, [12, 22, '§3.1']],
  created: [4, UINT, [1, Infinity, '§3.1']],
  keyUse: [5, UINT, [1, Infinity, '§3.1'], [1, 2, '§2.2e']],
  contextNames: [6, [STRING], limit(256)],
  contentType: [7, STRING, limit(256)],
  metadata: [8, [pair(8192)]],
} as const;
const WRAPPED_KEY = {
  keyId: [1, STRING, [1, Infinity, '§7.1'], limit(256)],
  version: [2, UINT],
  serviceId: [3, STRING, limit(256)],
  keyContext: [4, [pair(1024)]],
} as const;
const exactly = (number: number, length: number) => [number, BYTES, [length, length, '§7.1']] as const;
const ITERATIONS = [2, UINT, [600_000, Infinity, '§8.5'], [0, 10_000_000, '§8.5', LIMIT]] as const;
export const METHODS = {
  ecdh: { number: 16, parts: { ephemeralKey: exactly(1, 97), sealedKey: exactly(2, 48) } },
  'service-ecdh': { number: 17, parts: { ephemeralKey: exactly(1, 97), sealedKey: exactly(2, 48) } },
  aes: { number: 18, parts: { salt: exactly(1, 32), sealedKey: exactly(2, 48) } },
  rsa: { number: 19, parts: { encryptedKey: [1, BYTES, [384, 1024, '§8.4']] } },
  passphrase: { number: 20, parts: { salt: exactly(1, 32), iterations: ITERATIONS, sealedKey: exactly(3, 48) } },
  service: { number: 21, parts: { opaque: [1, BYTES, [1, Infinity, '§7.1'], limit(8192)] } },
  kms: { number: 25, parts: { opaque: [1, BYTES, [1, Infinity, '§7.1'], limit(8192)] } },
} as const;
export type Method = keyof typeof METHODS;
export type KeyName = Values<typeof WRAPPED_KEY>;
type Part = 'ephemeralKey' | 'salt' | 'sealedKey' | 'encryptedKey' | 'opaque';
export type Parts = { readonly [name in Part]?: Bytes } & { readonly iterations?: number };
// Wrapped keys (§7) and their methods (§8)
export function encodeKey(method: Method, name: KeyName, values: Parts): Bytes {
  const encodedName = encode(WRAPPED_KEY, { ...name, keyContext: encodePairs(name.keyContext) });
  return concat(encodedName, encodeField(METHODS[method].number, encode<Table>(METHODS[method].parts, { ...values })));
}
function decodeKey(input: Bytes) {
  const methods = split(input).filter(({ number }) => number >= 16 && number <= 127);
  check(methods.length <= 1, '§7.2');
  const row = [methods[0]?.number ?? 16, BYTES, [1, Infinity, '§7.2']] as const;
  const { wrapping, ...name } = decode({ ...WRAPPED_KEY, wrapping: row }, input);
  check(isAscending(namesOf(name.keyContext)), '§7.1');
  const method = (Object.keys(METHODS) as Method[]).find((each) => METHODS[each].number === row[0]);
  if (method === undefined) return { ...name, method, parts: {} }; // §7.4
  check((name.serviceId !== '') === method.startsWith('service'), '§7.1');
  const parts: Parts = decode<Table>(METHODS[method].parts, wrapping);
  check(parts.ephemeralKey === undefined || parts.ephemeralKey[0] === 4, '§8.1');
  return { ...name, method, parts };
}
type WrappedKey = ReturnType<typeof decodeKey>;
export function encodeBinding(method: Method, { serviceId, keyId, version, keyContext }: KeyName): Bytes {
  const aead = Uint8Array.of(0, method === 'rsa' || method === 'kms' ? 0 : 1); // §7.3
  return concat(...[utf8(method), aead, utf8(serviceId), utf8(keyId), u32(version), encodeMap(keyContext)].map(lp));
}

export const sha384 = (...parts: readonly Bytes[]): Bytes => concat(crypto.hash('sha384', concat(...parts), 'buffer'));
export const hkdf = (ikm: Bytes, salt: Bytes, info: Bytes): Bytes =>
  new Uint8Array(crypto.hkdfSync('sha384', ikm, salt, info, 32));
export const encodeInfo = (label: string, ...fields: readonly Bytes[]): Bytes =>
  concat(utf8(label), Uint8Array.of(0), sha384(...fields.map(lp))); // §4.3
export function gcmSeal(key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes): Bytes {
  const cipher = crypto.createCipheriv('aes-256-gcm', key, nonce).setAAD(aad);
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}
function gcmOpen(key: Bytes, nonce: Bytes, aad: Bytes, sealed: Bytes): Bytes {
  const decipher = crypto.createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(-16));
  return concat(decipher.update(sealed.subarray(0, -16)), decipher.final());
}

/** The secret is a KEK (of kms the provider's), a passphrase, or a private key (of rsa in PEM); a writer's is ephemeral, to a recipient. */
export type Key = KeyName & { readonly method: Method; readonly secret: Bytes; readonly recipient?: Bytes };
function derive({ method, secret, recipient }: Key, parts: Parts, binding: Bytes) {
  const { salt = EMPTY, iterations = 0, ephemeralKey: received = EMPTY } = parts;
  if (method === 'passphrase') {
    const normalized = UTF8.decode(secret).normalize('NFC'); // §8.5
    return { k: concat(crypto.pbkdf2Sync(normalized, salt, iterations, 32, 'sha512')) };
  }
  const infoOf = (...keys: Bytes[]) => encodeInfo(`bulla/v1 ${method}`, ...keys, binding);
  if (method === 'aes') return { info: infoOf(), k: hkdf(secret, salt, infoOf()) }; // §8.3
  const ecdh = crypto.createECDH('secp384r1'); // §8.1, §8.2
  ecdh.setPrivateKey(secret);
  const own = concat(ecdh.getPublicKey());
  const Z = attempt([() => concat(ecdh.computeSecret(recipient ?? received))], broken('§8.1')); // off the curve
  const [ephemeralKey, recipientKey] = recipient === undefined ? [received, own] : [own, recipient];
  const info = infoOf(ephemeralKey, recipientKey);
  return { ephemeralKey, Z, info, k: hkdf(Z, EMPTY, info) };
}
/** The provider of the vectors, "model": AES-256-GCM, 12 bytes of nonce before the ciphertext, additional data in bytes (§8.11b). */
export const modelSeal = (secret: Bytes, nonce: Bytes, plaintext: Bytes, additional: Bytes): Bytes =>
  concat(nonce, gcmSeal(secret, nonce, additional, plaintext));
function unwrapByProvider(secret: Bytes, opaque: Bytes, binding: Bytes): Bytes {
  const digest = sha384(binding);
  const plaintext = gcmOpen(secret, opaque.subarray(0, 12), digest, opaque.subarray(12));
  check(plaintext.length === 80, '§8.10', FAILED);
  check(crypto.timingSafeEqual(plaintext.subarray(0, 48), digest), '§8.10', FAILED);
  return plaintext.subarray(48);
}
export function wrap(key: Key, given: Parts, dataKey: Bytes) {
  const binding = encodeBinding(key.method, key);
  if (key.method === 'kms') {
    const digest = sha384(binding);
    const opaque = modelSeal(key.secret, given.salt ?? EMPTY, concat(digest, dataKey), digest);
    return { binding, digest, opaque, wrappedKey: encodeKey('kms', key, { opaque }) };
  }
  const derived = derive(key, given, binding);
  const sealedKey = gcmSeal(derived.k, new Uint8Array(12), binding, dataKey);
  const wrappedKey = encodeKey(key.method, key, { ...given, ...derived, sealedKey });
  return { binding, ...derived, sealedKey, wrappedKey };
}
function unwrap(wrapped: WrappedKey, key: Key): Bytes {
  const { encryptedKey = EMPTY, sealedKey = EMPTY, opaque = EMPTY }: Parts = wrapped.parts;
  const binding = encodeBinding(key.method, wrapped);
  const oaep = { key: Buffer.from(key.secret), oaepHash: 'sha384', oaepLabel: binding };
  const open = () => gcmOpen(derive(key, wrapped.parts, binding).k, new Uint8Array(12), binding, sealedKey);
  const decrypt = () => crypto.privateDecrypt(oaep, encryptedKey);
  const ask = () => unwrapByProvider(key.secret, opaque, binding);
  const dataKey = attempt([key.method === 'rsa' ? decrypt : key.method === 'kms' ? ask : open], broken('§7.5'));
  check(dataKey.length === 32, '§8.4', FAILED);
  return dataKey;
}
const nameOf = (key: Key | WrappedKey) => [key.method, key.keyId, key.serviceId, sorted(key.keyContext)];
const isFor = (key: Key, wrapped: WrappedKey) =>
  isSame(nameOf(key), nameOf(wrapped)) && (key.serviceId !== '' || key.version === wrapped.version); // §7.6
// Messages (§5, §6)
export function deriveMessageKeys(dataKey: Bytes, salt: Bytes, header: Bytes, map: Bytes) {
  const messageKeyInfo = encodeInfo('bulla/v1/suite1 message key', header, map); // §5.4
  const commitmentInfo = encodeInfo('bulla/v1/suite1 commitment', header, map); // §5.5
  const [messageKey, commitment] = [hkdf(dataKey, salt, messageKeyInfo), hkdf(dataKey, salt, commitmentInfo)];
  return { map, transcriptDigest: sha384(lp(header), lp(map)), messageKeyInfo, commitmentInfo, messageKey, commitment };
}
export const segmentNonce = (index: number): Bytes => concat(new Uint8Array(8), u32(index)); // §6.2
const cut = (input: Bytes, size: number): Bytes[] =>
  Array.from({ length: Math.floor(input.length / size) + 1 }, (_, n) => input.subarray(n * size, (n + 1) * size));
export const sealSegments = (key: Bytes, log2: number, plaintext: Bytes): Bytes =>
  concat(...cut(plaintext, 2 ** log2).map((piece, index) => gcmSeal(key, segmentNonce(index), EMPTY, piece))); // §6.1
type Inputs = { plaintext: Bytes; dataKey: Bytes; moreFields: Bytes; context: readonly Pair[]; keys: readonly Bytes[] };
/** All that is random comes from outside; `keys` wrap the data key, `moreFields` are header fields from 1024 up. */
export function encrypt(input: Inputs & Omit<Values<typeof HEADER>, 'suite' | 'contextNames'>) {
  const repeated = { contextNames: namesOf(sorted(input.context)), metadata: encodePairs(input.metadata) };
  const header = concat(encode(HEADER, { ...input, suite: 1, ...repeated }), input.moreFields);
  const derived = deriveMessageKeys(input.dataKey, input.salt, header, encodeMap(input.context));
  const envelope = encode(ENVELOPE, { header, keys: input.keys, commitment: derived.commitment });
  const body = sealSegments(derived.messageKey, input.segmentSizeLog2, input.plaintext);
  return { message: frame('bulla', lp(envelope), body), intermediates: { header, ...derived, envelope } };
}

/** Of a detached message, the envelope half is the message, and the body half comes last. */
export function decrypt(message: Bytes, readerKeys: readonly Key[], context: readonly Pair[], half?: Bytes) {
  if (namesOf(context).includes('')) throw new TypeError('a name is empty'); // §4.4, and the limits of §2.4
  decode({ context: HEADER.metadata }, encode({ context: HEADER.metadata }, { context: encodePairs(context) }));
  const { envelope, body } = unframe(message, half);
  const { header: headerBytes, keys, commitment } = decode(ENVELOPE, envelope);
  check(keys.length > 0, '§2.1');
  const suite = split(headerBytes).find(({ number, wire }) => number === 1 && wire === 0)?.value ?? 1n; // judged first, §3.1
  check(Number(suite) <= 1 || Number(suite) >= 2 ** 32, '§3.1', 'ERR_UNSUPPORTED_SUITE');
  const header = decode(HEADER, headerBytes, 1024);
  const wrappedKeys = keys.map(decodeKey);
  check(wrappedKeys.filter(({ method }) => method === 'passphrase').length <= 1, '§8.6');
  check(isAscending(header.contextNames), '§3.3');
  check(isAscending(namesOf(header.metadata)), '§3.4');
  check(isSame(header.contextNames, namesOf(sorted(context))), '§3.7', 'ERR_CONTEXT_MISMATCH');
  const isAsked = ({ parts }: WrappedKey) => (parts as Parts).opaque?.length === 108; // of the provider "model": nonce, 80 bytes, tag
  const entriesFor = (key: Key) => {
    const own = wrappedKeys.filter((wrapped) => isFor(key, wrapped)); // in the reader's order, §7.5
    const passedOver = key.method === 'kms' ? own.filter(isAsked).slice(4) : []; // §8.12
    return own.filter((wrapped) => !passedOver.includes(wrapped));
  };
  const unwrappings = readerKeys.flatMap((key) => entriesFor(key).map((wrapped) => () => unwrap(wrapped, key)));
  const dataKey = attempt(unwrappings, broken('§7.5', 'ERR_NO_MATCHING_KEY'));
  const derived = deriveMessageKeys(dataKey, header.salt, headerBytes, encodeMap(context));
  check(crypto.timingSafeEqual(derived.commitment, commitment), '§5.5', FAILED);
  const size = 2 ** header.segmentSizeLog2 + 16;
  check(body.length % size >= 16, '§6.3', FAILED);
  const open = (segment: Bytes, n: number) => gcmOpen(derived.messageKey, segmentNonce(n), EMPTY, segment);
  return { header, plaintext: attempt([() => concat(...cut(body, size).map(open))], broken('§6.4')) };
}
// Forms (§1)
export const frame = (magic: string, ...rest: Bytes[]): Bytes => concat(utf8(magic), Uint8Array.of(1), ...rest);
/** What follows the magic and the version; the clauses of another magic, of no version, of another version. */
function afterMagic(magic: string, input: Bytes, [wrong, none, other] = ['§1.5', '§1.3', '§1.5']): Bytes {
  check(Buffer.compare(input.subarray(0, 5), utf8(magic)) === 0, wrong, 'ERR_NOT_A_MESSAGE');
  check(input.length > 5, none, 'ERR_TRUNCATED');
  check(input[5] === 1, other, 'ERR_UNSUPPORTED_VERSION');
  return input.subarray(6);
}
export function unframe(message: Bytes, half?: Bytes) {
  const rest = half ? afterMagic('bulle', message) : afterMagic('bulla', message, ['§1.1', '§1.3', '§1.2']);
  check(rest.length >= 4, '§1.3', 'ERR_TRUNCATED');
  const end = 4 + Buffer.from(rest).readUInt32BE();
  check(end <= 4 + 1_048_576, '§1.3', LIMIT);
  check(end <= rest.length, '§1.3', 'ERR_TRUNCATED');
  check(half === undefined || end === rest.length, '§1.5');
  const body = half ? afterMagic('bullb', half, ['§1.5', '§1.5', '§1.5']) : rest.subarray(end);
  return { envelope: rest.subarray(4, end), body };
}
export const encodeText = (magic: string, form: Bytes) => `${magic}1.${Buffer.from(form).toString('base64url')}`;
export function decodeText(magic: string, folded: string): Bytes {
  const text = folded.replaceAll(/^\ufeff|[\t\n\r ]/g, ''); // §1.7
  check(text.startsWith(`${magic}1.`), '§1.6', 'ERR_NOT_A_MESSAGE');
  const form = concat(Buffer.from(text.slice(7), 'base64url'));
  check(encodeText(magic, form) === text && Buffer.from(form).indexOf(magic) === 0, '§1.6'); // one text of each form
  return form;
}

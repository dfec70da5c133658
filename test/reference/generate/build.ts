// From the cases of valid.ts to vectors: fills in what is random, runs the reference and notes every value on the way.

import { concat, type Pair } from '../bytes.ts';
import { encodeBinding, type KeyName } from '../envelope.ts';
import { encodeText, encryptReference, segmentNonce, splitHalves } from '../message.ts';
import {
  type Bytes,
  decodeBytes,
  type KeyMaterial,
  plaintextOf,
  type ValidVector,
  type VectorInput,
  type VectorKey,
  type VectorWrap,
} from '../vectors.ts';
import { type ReaderKey, sha384, type Wrap } from '../wrapping.ts';
import {
  type AES_KEYS,
  base64url,
  EC_KEYS,
  MATERIAL,
  oaepEncrypt,
  type PASSPHRASES,
  RSA_KEYS,
  random,
} from './material.ts';

/** Messages above this many bytes are told by their digest. */
const LONGEST_MESSAGE = 16_384;
/** Messages up to this many bytes are shown in all forms. */
const LONGEST_IN_ALL_FORMS = 3000;

/** Base64url, or pieces where a byte repeats more than 200 times. */
export function pack(bytes: Uint8Array): Bytes {
  const pieces: (string | { repeat: string; times: number })[] = [];
  let start = 0;
  for (let at = 0, end = 0; at < bytes.length; at = end) {
    while (bytes[end] === bytes[at] && end < bytes.length) end++;
    if (end - at <= 200) continue;
    if (at > start) pieces.push(base64url(bytes.subarray(start, at)));
    pieces.push({ repeat: base64url(bytes.subarray(at, at + 1)), times: end - at });
    start = end;
  }
  if (pieces.length === 0) return base64url(bytes);
  return start === bytes.length ? pieces : [...pieces, base64url(bytes.subarray(start))];
}

/** A case: what matters to it; the rest has defaults. */
export interface Case {
  readonly name: string;
  readonly clauses: readonly string[];
  readonly plaintext?: string | number;
  readonly segmentSizeLog2?: number;
  readonly created?: number;
  readonly keyUse?: 'SINGLE' | 'SHARED';
  readonly context?: readonly Pair[];
  readonly contentType?: string;
  readonly metadata?: readonly Pair[];
  readonly extraHeaderFields?: Uint8Array;
  readonly wraps?: readonly VectorWrap[];
  /** The case whose data key this one shares. */
  readonly dataKeyOf?: string;
  /** The case whose salt this one shares: the same message with other wrapped keys. */
  readonly saltOf?: string;
}

/** What a case says about a wrap: its name, and a value that would otherwise be drawn. */
type Named = Partial<KeyName & { ephemeralPrivateKey: string; salt: string }>;
export const aes = (name: Named = {}, key: keyof typeof AES_KEYS = 'aes-1'): VectorWrap => ({
  method: 'aes',
  key,
  keyId: key,
  ...name,
});
export const ecdh = (key: keyof typeof EC_KEYS, name: Named = {}): VectorWrap => ({
  method: 'ecdh',
  key,
  keyId: EC_KEYS[key].keyId,
  ...name,
});
export const rsa = (key: keyof typeof RSA_KEYS, name: Named = {}): VectorWrap => ({
  method: 'rsa',
  key,
  keyId: RSA_KEYS[key].keyId,
  ...name,
});
export const passphrase = (key: keyof typeof PASSPHRASES, name: Named = {}, iterations = 600_000): VectorWrap => ({
  method: 'passphrase',
  key,
  keyId: 'passphrase',
  iterations,
  ...name,
});
export const serviceEcdh = (key: keyof typeof EC_KEYS, name: Named = {}): VectorWrap => ({
  method: 'service-ecdh',
  key,
  keyId: 'customers',
  version: 1,
  serviceId: 'kms.example',
  ...name,
});
export const service = (opaque: Uint8Array, name: Named = {}): VectorWrap => ({
  method: 'service',
  keyId: 'customers',
  version: 3,
  serviceId: 'kms.example',
  opaque: pack(opaque),
  ...name,
});
export const raw = (wrappedKey: Uint8Array): VectorWrap => ({ method: 'raw', wrappedKey: pack(wrappedKey) });

/** Fills in the random parts of a wrap, from names alone. */
function draw(wrap: VectorWrap, name: string, dataKey: Uint8Array): VectorWrap {
  switch (wrap.method) {
    case 'ecdh':
    case 'service-ecdh': {
      const drawn = random(`${name}: ephemeral`, 48);
      drawn[0] = (drawn[0] ?? 0) & 0x7f;
      return { ephemeralPrivateKey: base64url(drawn), ...wrap };
    }
    case 'aes':
    case 'passphrase':
      return { salt: base64url(random(`${name}: salt`, 32)), ...wrap };
    case 'rsa': {
      const jwk = RSA_KEYS[wrap.key as keyof typeof RSA_KEYS].jwk;
      const encrypted = oaepEncrypt(jwk, encodeBinding('rsa', wrap), dataKey, random(`${name}: OAEP seed`, 48));
      return { encryptedKey: base64url(encrypted), ...wrap };
    }
    default:
      return wrap;
  }
}

const bytesOf = (value: Bytes | undefined): Uint8Array => decodeBytes(value ?? '');

/** A wrap of a vector as the reference takes it. */
export function toWrap(wrap: VectorWrap, material: Readonly<Record<string, KeyMaterial>>): Wrap {
  if (wrap.method === 'raw') return { method: 'raw', wrappedKey: bytesOf(wrap.wrappedKey) };
  if (wrap.method === 'service') return { ...wrap, opaque: bytesOf(wrap.opaque) };
  const { method, keyId, version = 0, serviceId = '', keyContext = [] } = wrap;
  const name = { keyId, version, serviceId, keyContext };
  const { jwk, bytes, passphrase: words = '' } = material[wrap.key] ?? {};
  switch (method) {
    case 'aes':
      return { method, ...name, key: bytesOf(bytes), salt: bytesOf(wrap.salt) };
    case 'rsa':
      return { method, ...name, encryptedKey: bytesOf(wrap.encryptedKey) };
    case 'passphrase':
      return { method, ...name, passphrase: words, salt: bytesOf(wrap.salt), iterations: wrap.iterations ?? 0 };
    default: {
      const publicKey = concat(Uint8Array.of(4), bytesOf(jwk?.x), bytesOf(jwk?.y));
      return { method, ...name, publicKey, ephemeralPrivateKey: bytesOf(wrap.ephemeralPrivateKey) };
    }
  }
}

/** A key of a vector as the reference takes it. */
export function toReaderKey(key: VectorKey, material: Readonly<Record<string, KeyMaterial>>): ReaderKey {
  const { method, keyId, serviceId = '', keyContext = [] } = key;
  const { jwk = { kty: '' }, bytes, passphrase: words = '' } = material[key.key] ?? {};
  if (method === 'aes') return { method, keyId, serviceId, keyContext, key: bytesOf(bytes) };
  if (method === 'passphrase') return { method, keyId, serviceId, keyContext, passphrase: words };
  return { method, keyId, serviceId, keyContext, privateKey: jwk };
}

/** The part of a vector that a writer starts from, as the reference takes it. */
export function toEncryptInput(vector: VectorInput, material: Readonly<Record<string, KeyMaterial>>) {
  return {
    ...vector,
    plaintext: plaintextOf(vector),
    dataKey: decodeBytes(vector.dataKey),
    salt: decodeBytes(vector.salt),
    extraHeaderFields: decodeBytes(vector.extraHeaderFields),
    wraps: vector.wraps.map((wrap) => toWrap(wrap, material)),
  };
}

export function buildVector(input: Case): ValidVector {
  const { name, plaintext = 'attack at dawn' } = input;
  const dataKey = random(`data key of ${input.dataKeyOf ?? name}`, 32);
  const start: VectorInput = {
    name,
    clauses: input.clauses,
    plaintext: typeof plaintext === 'number' ? { length: plaintext } : base64url(Buffer.from(plaintext)),
    dataKey: base64url(dataKey),
    salt: base64url(random(`salt of ${input.saltOf ?? name}`, 32)),
    segmentSizeLog2: input.segmentSizeLog2 ?? 12,
    created: input.created ?? 1_790_000_000,
    keyUse: input.keyUse ?? 'SINGLE',
    context: input.context ?? [],
    contentType: input.contentType ?? '',
    metadata: input.metadata ?? [],
    extraHeaderFields: pack(input.extraHeaderFields ?? new Uint8Array()),
    wraps: (input.wraps ?? [aes()]).map((wrap, index) => draw(wrap, `${name}, wrap ${index}`, dataKey)),
  };
  const { message, intermediates } = encryptReference(toEncryptInput(start, MATERIAL));
  const { wraps, ...values } = intermediates;
  const segments = Math.floor(plaintextOf(start).length / 2 ** start.segmentSizeLog2) + 1;
  return {
    ...start,
    intermediates: {
      ...(packAll(values) as Omit<ValidVector['intermediates'], 'wraps' | 'nonces'>),
      wraps: wraps.map(packAll),
      nonces: Array.from({ length: Math.min(segments, 3) }, (_, index) => base64url(segmentNonce(index))),
    },
    messageLength: message.length,
    messageSha384: base64url(sha384(message)),
    ...forms(message),
  };
}

const packAll = (values: Readonly<Record<string, Uint8Array>>): Record<string, Bytes> =>
  Object.fromEntries(Object.entries(values).map(([name, bytes]) => [name, pack(bytes)]));

function forms(message: Uint8Array): Pick<ValidVector, 'message' | 'text' | 'detached'> {
  const packed = pack(message);
  if (JSON.stringify(packed).length > (LONGEST_MESSAGE * 4) / 3) return {};
  if (message.length > LONGEST_IN_ALL_FORMS) return { message: packed };
  const { envelope, body } = splitHalves(message);
  const detached = { envelope: base64url(envelope), body: base64url(body), text: encodeText('bulle', envelope) };
  return { message: packed, text: encodeText('bulla', message), detached };
}

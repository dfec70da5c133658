// From the cases of valid.ts to vectors: fills in what is random, runs the reference and notes every value on the way.

import { createPrivateKey } from 'node:crypto';
import { concat, encodeText, encrypt, type Key, segmentNonce, sha384, utf8, wrap } from '../bulla.ts';
import {
  type Bytes,
  decodeBytes,
  type KeyMaterial,
  type Pair,
  plaintextOf,
  type ValidVector,
  type VectorInput,
  type VectorKey,
  type VectorWrap,
} from '../vectors.ts';
import {
  type AES_KEYS,
  base64url,
  EC_KEYS,
  MATERIAL,
  oaepEncrypt,
  type PASSPHRASES,
  type PROVIDER_KEYS,
  RSA_KEYS,
  random,
} from './material.ts';
import { bindingOf, nameOf, splitHalves, writeWrappedKey } from './raw.ts';

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
  readonly readers?: readonly VectorKey[];
  /** The case whose data key this one shares. */
  readonly dataKeyOf?: string;
  /** The case whose salt this one shares: the same message with other wrapped keys. */
  readonly saltOf?: string;
  /** Foldings of its text form that a reader takes for it. */
  readonly fold?: (text: string) => readonly string[];
}

/** What a case says about a wrap: its name, and a value that would otherwise be drawn. */
type Named = Partial<
  Pick<VectorKey, 'keyId' | 'version' | 'serviceId' | 'keyContext'> & { ephemeralPrivateKey: string; salt: string }
>;
export const aes = (name: Named = {}, key: keyof typeof AES_KEYS = 'aes-1'): VectorWrap => ({
  method: 'aes',
  key,
  keyId: key,
  ...name,
});
export const kms = (name: Named = {}, key: keyof typeof PROVIDER_KEYS = 'kms-1'): VectorWrap => ({
  method: 'kms',
  key,
  keyId: `model:${key}`,
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

/** An entry that the key opens to another data key than that of the message. */
export function misleading(wrap: VectorWrap): VectorWrap {
  const other = random('a data key of no message', 32);
  return raw(wrapVector(draw(wrap, `misleading ${JSON.stringify(wrap)}`, other), MATERIAL, other).wrappedKey);
}
/** An entry with the right name that no key opens. */
export function spoilt(wrap: VectorWrap): VectorWrap {
  const other = random('a data key of no message', 32);
  const { wrappedKey } = wrapVector(draw(wrap, `spoilt ${JSON.stringify(wrap)}`, other), MATERIAL, other);
  return raw(wrappedKey.with(-1, (wrappedKey.at(-1) ?? 0) ^ 1));
}

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
    case 'kms':
      return { salt: base64url(random(`${name}: nonce`, 12)), ...wrap };
    case 'rsa': {
      const jwk = RSA_KEYS[wrap.key as keyof typeof RSA_KEYS].jwk;
      const encrypted = oaepEncrypt(jwk, bindingOf('rsa', wrap), dataKey, random(`${name}: OAEP seed`, 48));
      return { encryptedKey: base64url(encrypted), ...wrap };
    }
    default:
      return wrap;
  }
}

const bytesOf = (value: Bytes | undefined): Uint8Array => decodeBytes(value ?? '');

type Material = Readonly<Record<string, KeyMaterial>>;

/** The wrapped key of a vector's wrap, with each value on the way to it. */
export function wrapVector(
  input: VectorWrap,
  material: Material,
  dataKey: Uint8Array,
): { readonly wrappedKey: Uint8Array } & Readonly<Record<string, Uint8Array>> {
  if (input.method === 'raw') return { wrappedKey: bytesOf(input.wrappedKey) };
  if (input.method === 'service') {
    return { wrappedKey: writeWrappedKey('service', input, { opaque: bytesOf(input.opaque) }) };
  }
  if (input.method === 'rsa') {
    const encryptedKey = bytesOf(input.encryptedKey);
    return { binding: bindingOf('rsa', input), wrappedKey: writeWrappedKey('rsa', input, { encryptedKey }) };
  }
  const key = toReaderKey(input, material);
  if (input.method === 'aes' || input.method === 'kms') return wrap(key, { salt: bytesOf(input.salt) }, dataKey);
  const { jwk } = material[input.key] ?? {};
  if (input.method === 'passphrase') {
    return wrap(key, { salt: bytesOf(input.salt), iterations: input.iterations ?? 0 }, dataKey);
  }
  const recipient = concat(Uint8Array.of(4), bytesOf(jwk?.x), bytesOf(jwk?.y));
  return wrap({ ...key, secret: bytesOf(input.ephemeralPrivateKey), recipient }, {}, dataKey);
}

/** A key of a vector as the reference takes it. */
export function toReaderKey(key: VectorKey, material: Material): Key {
  const { jwk, bytes, passphrase: words } = material[key.key] ?? {};
  const named = { method: key.method, ...nameOf(key) };
  if (words !== undefined) return { ...named, secret: utf8(words) };
  if (jwk?.kty !== 'RSA') return { ...named, secret: bytesOf(bytes ?? jwk?.d) };
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' });
  return { ...named, secret: utf8(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()) };
}

/** The part of a vector that a writer starts from, as the reference takes it. */
export function toEncryptInput(vector: VectorInput, material: Material) {
  const dataKey = decodeBytes(vector.dataKey);
  const wraps = vector.wraps.map((wrap) => wrapVector(wrap, material, dataKey));
  return {
    ...vector,
    keyUse: vector.keyUse === 'SINGLE' ? 1 : 2,
    plaintext: plaintextOf(vector),
    dataKey,
    salt: decodeBytes(vector.salt),
    moreFields: decodeBytes(vector.extraHeaderFields),
    keys: wraps.map(({ wrappedKey }) => wrappedKey),
    wraps,
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
    ...(input.readers && { readers: input.readers }),
  };
  const encryptInput = toEncryptInput(start, MATERIAL);
  const { message, intermediates } = encrypt(encryptInput);
  const segments = Math.floor(plaintextOf(start).length / 2 ** start.segmentSizeLog2) + 1;
  const made = forms(message);
  return {
    ...start,
    intermediates: {
      ...(packAll(intermediates) as Omit<ValidVector['intermediates'], 'wraps' | 'nonces'>),
      wraps: encryptInput.wraps.map(packAll),
      nonces: Array.from({ length: Math.min(segments, 3) }, (_, index) => base64url(segmentNonce(index))),
    },
    messageLength: message.length,
    messageSha384: base64url(sha384(message)),
    ...made,
    ...(input.fold && { folded: input.fold(made.text ?? '') }),
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

// Messages that break a rule: a base message whose every part can be replaced, sealed so that a lax reader would open it.

import {
  deriveMessageKeys,
  encodeMap,
  type Field,
  frame,
  gcmSeal,
  lp,
  METHODS,
  type Method,
  sealSegments,
  split,
  utf8,
} from '../bulla.ts';
import type { ErrorCode, InvalidVector, Pair, VectorKey, VectorWrap } from '../vectors.ts';
import { pack, wrapVector } from './build.ts';
import { base64url, EC_KEYS, MATERIAL, type OaepHashes, oaepEncrypt, RSA_KEYS, random } from './material.ts';
import { bindingOf, encodeFields, len, num, pair, writeWrappedKey } from './raw.ts';

export interface InvalidCase {
  readonly name: string;
  readonly clause: string;
  /** Clauses that the vector shows besides. */
  readonly also?: readonly string[];
  readonly code: ErrorCode;
  readonly input:
    | Uint8Array
    | string
    | { readonly envelope: Uint8Array; readonly body: Uint8Array }
    | { readonly text: string; readonly body: Uint8Array };
  readonly keys?: readonly VectorKey[];
  readonly context?: readonly Pair[];
}

export function buildInvalid({
  name,
  clause,
  also = [],
  code,
  input,
  keys = [KEYS.aes],
  context = CONTEXT,
}: InvalidCase): InvalidVector {
  const given = { name, clauses: [clause, ...also], code };
  if (typeof input === 'string') return { ...given, text: input, keys, context };
  if (input instanceof Uint8Array) return { ...given, message: pack(input), keys, context };
  const body = pack(input.body);
  const detached = 'text' in input ? { text: input.text, body } : { envelope: pack(input.envelope), body };
  return { ...given, detached, keys, context };
}

export const DATA_KEY = random('data key of the invalid vectors', 32);
export const SALT = random('salt of the invalid vectors', 32);
export const CONTEXT: readonly Pair[] = [
  ['a', '1'],
  ['b', '2'],
];
const KEY_CONTEXT: readonly Pair[] = [
  ['p', '1'],
  ['q', '2'],
];

/** The keys that open the base message, one for each method. */
export const KEYS = {
  ecdh: { method: 'ecdh', key: 'alice', keyId: EC_KEYS.alice.keyId },
  'service-ecdh': {
    method: 'service-ecdh',
    key: 'service-key-v1',
    keyId: 'customers',
    serviceId: 'kms.example',
    version: 1,
  },
  aes: { method: 'aes', key: 'aes-1', keyId: 'aes-1', version: 5, keyContext: KEY_CONTEXT },
  rsa: { method: 'rsa', key: 'rsa-3072', keyId: RSA_KEYS['rsa-3072'].keyId },
  passphrase: { method: 'passphrase', key: 'passphrase-1', keyId: 'passphrase' },
  kms: { method: 'kms', key: 'kms-1', keyId: 'model:kms-1', keyContext: KEY_CONTEXT },
} as const satisfies Record<string, VectorKey>;

export const HEADER: readonly Field[] = [
  num(1, 1),
  len(2, SALT),
  num(3, 12),
  num(4, 1_790_000_000),
  num(5, 1),
  len(6, 'a'),
  len(6, 'b'),
  len(7, 'text/plain'),
  len(8, pair('m', '1')),
  len(8, pair('n', '2')),
];

/** The WrappedKey of a method with its right contents; `data` in place of the data key. */
export function wrapFor(method: keyof typeof KEYS, changes: Partial<VectorKey> = {}, data = DATA_KEY): Uint8Array {
  const key: VectorKey = { ...KEYS[method], ...changes };
  const name = `invalid vectors, ${method}`;
  const ephemeral = random(`${name}: ephemeral`, 48);
  ephemeral[0] = (ephemeral[0] ?? 0) & 0x7f;
  const salt = base64url(random(`${name}: salt`, method === 'kms' ? 12 : 32));
  const encryptedKey = method === 'rsa' ? base64url(rsaEncrypt(key, data)) : '';
  const filled = { ...key, ephemeralPrivateKey: base64url(ephemeral), salt, encryptedKey, iterations: 600_000 };
  return cachedWrap(filled, data);
}

/** PBKDF2 is slow, and only it needs remembering. */
const remembered = new Map<string, Uint8Array>();
function cachedWrap(input: VectorWrap, data: Uint8Array): Uint8Array {
  const name = JSON.stringify([input, data]);
  const { wrappedKey } = remembered.has(name)
    ? { wrappedKey: remembered.get(name) }
    : wrapVector(input, MATERIAL, data);
  remembered.set(name, wrappedKey ?? new Uint8Array());
  return wrappedKey ?? new Uint8Array();
}

export function rsaEncrypt(
  key: VectorKey,
  data: Uint8Array,
  label = bindingOf('rsa', key),
  hashes: OaepHashes = {},
): Uint8Array {
  return oaepEncrypt(RSA_KEYS['rsa-3072'].jwk, label, data, random(`OAEP seed ${base64url(data)}`, 48), hashes);
}

/** A sealed key of 48 bytes under any `k`. */
export const sealUnder = (k: Uint8Array, binding: Uint8Array, nonce = new Uint8Array(12)): Uint8Array =>
  gcmSeal(k, nonce, binding, DATA_KEY);

export const serviceEntry = (): Uint8Array =>
  writeWrappedKey(
    'service',
    { keyId: 'customers', serviceId: 'kms.example', version: 3 },
    { opaque: random('opaque', 40) },
  );

/** Replaces the method's message of a WrappedKey. */
export function withMethodBody(wrapped: Uint8Array, method: Method, body: Uint8Array): Uint8Array {
  const { number } = METHODS[method];
  return encodeFields(split(wrapped).map((each) => (each.number === number ? len(number, body) : each)));
}

export interface Parts {
  readonly header?: Uint8Array;
  readonly salt?: Uint8Array;
  readonly dataKey?: Uint8Array;
  readonly context?: readonly Pair[];
  /** `map(context)` where a writer gets it wrong. */
  readonly map?: Uint8Array;
  readonly wrapped?: readonly Uint8Array[];
  readonly segmentSizeLog2?: number;
  readonly plaintext?: Uint8Array;
  readonly envelope?: (fields: Field[]) => Uint8Array;
  readonly body?: (body: Uint8Array) => Uint8Array;
}

/** The base message with some parts replaced; whatever follows from them is computed as a writer would. */
export function craft(parts: Parts = {}): Uint8Array {
  const { envelope, body } = craftHalves(parts);
  return frame('bulla', lp(envelope), body);
}

export function craftHalves(parts: Parts): { envelope: Uint8Array; body: Uint8Array; messageKey: Uint8Array } {
  const { header = encodeFields(HEADER), salt = SALT, context = CONTEXT, wrapped = [wrapFor('aes')] } = parts;
  const { messageKey, commitment } = deriveMessageKeys(
    parts.dataKey ?? DATA_KEY,
    salt,
    header,
    parts.map ?? encodeMap(context),
  );
  const fields = [len(1, header), ...wrapped.map((key) => len(2, key)), len(3, commitment)];
  const body = sealSegments(messageKey, parts.segmentSizeLog2 ?? 12, parts.plaintext ?? utf8('attack at dawn'));
  return {
    envelope: (parts.envelope ?? encodeFields)(fields),
    body: (parts.body ?? ((same) => same))(body),
    messageKey,
  };
}

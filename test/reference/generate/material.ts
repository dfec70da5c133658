// All that is random or secret in the vectors, derived from names: a SHAKE-256 stream, P-384 and RSA keys, RSA-OAEP.

import { checkPrimeSync, constants, createECDH, createHash, createPublicKey, publicEncrypt } from 'node:crypto';
import { concat, u32 } from '../bulla.ts';
import type { Jwk, KeyMaterial } from '../vectors.ts';

/** Bytes that look random and are the same at every run. */
export function random(name: string, length: number): Uint8Array {
  return new Uint8Array(createHash('shake256', { outputLength: length }).update(`bulla vectors v1: ${name}`).digest());
}

export const base64url = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
const toBigInt = (bytes: Uint8Array): bigint => BigInt(`0x${Buffer.from(bytes).toString('hex')}`);
const fromBigInt = (value: bigint): Uint8Array => {
  const hex = value.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
};

export interface EcKey {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
  readonly jwk: Jwk;
  /** The RFC 7638 thumbprint of the public key (§8.1). */
  readonly keyId: string;
}

/** A P-384 key pair; the stream's first bit is cleared, which keeps the scalar below the order. */
export function ecKey(name: string): EcKey {
  const privateKey = random(`P-384 ${name}`, 48);
  privateKey[0] = (privateKey[0] ?? 0) & 0x7f;
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(privateKey);
  const publicKey = new Uint8Array(ecdh.getPublicKey());
  const [x, y] = [base64url(publicKey.subarray(1, 49)), base64url(publicKey.subarray(49))];
  const keyId = thumbprint({ crv: 'P-384', kty: 'EC', x, y });
  return { privateKey, publicKey, jwk: { kty: 'EC', crv: 'P-384', x, y, d: base64url(privateKey) }, keyId };
}

export function sharedSecret(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(privateKey);
  return new Uint8Array(ecdh.computeSecret(publicKey));
}

/** RFC 7638 §3: the members in lexicographic order, as they stand here. */
const thumbprint = (members: Record<string, string>): string =>
  createHash('sha256').update(JSON.stringify(members)).digest('base64url');

export interface RsaKey {
  readonly jwk: Jwk;
  readonly keyId: string;
}

/** An RSA key of two primes; the offsets are what the search once found, and only save its time. */
export function rsaKey(name: string, bits: number, offsets: readonly [number, number]): RsaKey {
  const [p, q] = [prime(`RSA ${name} p`, bits / 2, offsets[0]), prime(`RSA ${name} q`, bits / 2, offsets[1])];
  const e = 65_537n;
  const d = inverse(e, (p - 1n) * (q - 1n));
  const encode = (value: bigint): string => base64url(fromBigInt(value));
  const [n, exponent] = [encode(p * q), encode(e)];
  const secret = { d: encode(d), p: encode(p), q: encode(q), dp: encode(d % (p - 1n)), dq: encode(d % (q - 1n)) };
  const jwk = { kty: 'RSA', n, e: exponent, ...secret, qi: encode(inverse(q, p)) };
  return { jwk, keyId: thumbprint({ e: exponent, kty: 'RSA', n }) };
}

/** The first prime upward from a seeded odd number with two leading ones, searched from `offset`. */
function prime(name: string, bits: number, offset: number): bigint {
  const start = toBigInt(random(name, bits / 8)) | (3n << BigInt(bits - 2)) | 1n;
  for (let at = BigInt(offset); ; at += 2n) {
    const candidate = start + at;
    const isCoprime = SMALL_PRIMES.every((small) => candidate % small !== 0n);
    if (isCoprime && (candidate - 1n) % 65_537n !== 0n && checkPrimeSync(candidate)) {
      return candidate;
    }
  }
}

const SMALL_PRIMES = Array.from({ length: 4000 }, (_, n) => BigInt(n + 2)).filter((n, _, all) =>
  all.slice(0, 70).every((small) => small >= n || n % small !== 0n),
);

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x];
  return ((x % modulus) + modulus) % modulus;
}

/** What an encryptor by mistake could do otherwise; right are SHA-384 for both. */
export interface OaepHashes {
  readonly hash?: 'sha256' | 'sha384';
  readonly mgfHash?: 'sha1' | 'sha256' | 'sha384';
}

/** RSAES-OAEP (RFC 8017 §7.1.1) by hand, since the seed must come from outside. */
export function oaepEncrypt(
  jwk: Jwk,
  label: Uint8Array,
  data: Uint8Array,
  seed: Uint8Array,
  hashes: OaepHashes = {},
): Uint8Array {
  const { hash = 'sha384', mgfHash = 'sha384' } = hashes;
  const labelHash = digest(hash, label);
  const ownSeed = seed.subarray(0, labelHash.length);
  const padding = new Uint8Array(modulusLength(jwk) - data.length - 2 * labelHash.length - 2);
  const block = concat(labelHash, padding, Uint8Array.of(1), data);
  const maskedBlock = xor(block, mgf1(mgfHash, ownSeed, block.length));
  const maskedSeed = xor(ownSeed, mgf1(mgfHash, maskedBlock, ownSeed.length));
  return rsaEncryptBlock(jwk, concat(Uint8Array.of(0), maskedSeed, maskedBlock));
}

/** RSAES-PKCS1-v1_5 (RFC 8017 §7.2.1), which no reader accepts. */
export function pkcs1Encrypt(jwk: Jwk, data: Uint8Array): Uint8Array {
  const padding = new Uint8Array(modulusLength(jwk) - data.length - 3).fill(0x55);
  return rsaEncryptBlock(jwk, concat(Uint8Array.of(0, 2), padding, Uint8Array.of(0), data));
}

const modulusLength = (jwk: Jwk): number => Buffer.from(jwk.n ?? '', 'base64url').length;

function rsaEncryptBlock(jwk: Jwk, block: Uint8Array): Uint8Array {
  const key = createPublicKey({ key: { kty: 'RSA', n: jwk.n ?? '', e: jwk.e ?? '' }, format: 'jwk' });
  return new Uint8Array(publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, block));
}

const digest = (hash: string, data: Uint8Array): Uint8Array => new Uint8Array(createHash(hash).update(data).digest());
const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, index) => byte ^ (b[index] ?? 0));

function mgf1(hash: string, seed: Uint8Array, length: number): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let made = 0; made < length; made += parts.at(-1)?.length ?? length) {
    parts.push(digest(hash, concat(seed, u32(parts.length))));
  }
  return concat(...parts).subarray(0, length);
}

/** A P-384 point whose X coordinate is written unreduced, as x + p, which fits 48 bytes only where x is small. */
export function unreducedPoint(): Uint8Array {
  const p = 2n ** 384n - 2n ** 128n - 2n ** 96n + 2n ** 32n - 1n;
  const b = toBigInt(Buffer.from(P384_B, 'hex'));
  for (let x = 1n; ; x++) {
    const square = (x ** 3n - 3n * x + b + p) % p;
    const y = power(square, (p + 1n) / 4n, p);
    if ((y * y) % p === square) return concat(Uint8Array.of(4), fromBigInt(x + p), fromBigInt(y));
  }
}

/** SP 800-186 §3.2.1.4 */
const P384_B = 'b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef';

function power(base: bigint, exponent: bigint, modulus: bigint): bigint {
  let result = 1n;
  for (let square = base % modulus, rest = exponent; rest > 0n; rest >>= 1n, square = (square * square) % modulus) {
    if (rest & 1n) result = (result * square) % modulus;
  }
  return result;
}

/** The first key pair of a name whose public key is as wanted. */
export function ecKeyWith(name: string, test: (key: EcKey) => boolean): EcKey {
  for (let n = 0; ; n++) {
    const key = ecKey(`${name} ${n}`);
    if (test(key)) return key;
  }
}

export const EC_KEYS = {
  alice: ecKey('alice'),
  bob: ecKey('bob'),
  /** X, then Y, start with a zero byte: a JWK that drops it is wrong. */
  carol: ecKeyWith('carol', ({ publicKey }) => publicKey[1] === 0),
  dave: ecKeyWith('dave', ({ publicKey }) => publicKey[49] === 0),
  'service-key-v1': ecKey('service-key-v1'),
  'service-key-v2': ecKey('service-key-v2'),
};

export const RSA_KEYS = {
  'rsa-3072': rsaKey('rsa-3072', 3072, [348, 2]),
  'rsa-4096': rsaKey('rsa-4096', 4096, [5004, 324]),
  'rsa-8192': rsaKey('rsa-8192', 8192, [3806, 134]),
};

export const AES_KEYS = { 'aes-1': random('KEK aes-1', 32), 'aes-2': random('KEK aes-2', 32) };
/** Of the provider "model". */
export const PROVIDER_KEYS = { 'kms-1': random('provider key kms-1', 32), 'kms-2': random('provider key kms-2', 32) };

export const PASSPHRASES = {
  'passphrase-1': 'correct horse battery staple',
  'passphrase-nfc': 'Ångström ﬁ 密碼 🔑'.normalize('NFC'),
  'passphrase-nfd': 'Ångström ﬁ 密碼 🔑'.normalize('NFD'),
};

/** keys.json */
export const MATERIAL: Readonly<Record<string, KeyMaterial>> = {
  ...Object.fromEntries(Object.entries({ ...EC_KEYS, ...RSA_KEYS }).map(([name, { jwk }]) => [name, { jwk }])),
  ...Object.fromEntries(
    Object.entries({ ...AES_KEYS, ...PROVIDER_KEYS }).map(([name, bytes]) => [name, { bytes: base64url(bytes) }]),
  ),
  ...Object.fromEntries(Object.entries(PASSPHRASES).map(([name, passphrase]) => [name, { passphrase }])),
};

// All that is random or secret in the vectors, derived from names: a SHAKE-256 stream, P-384 and RSA keys, RSA-OAEP.

import { checkPrimeSync, constants, createECDH, createHash, createPublicKey, publicEncrypt } from 'node:crypto';
import type { Jwk, KeyMaterial } from '../vectors.ts';
import { concat, u32 } from '../wire.ts';
import { sha384 } from '../wrapping.ts';

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

/** RSAES-OAEP (RFC 8017 §7.1.1) with SHA-384 by hand, since the seed must come from outside. */
export function oaepEncrypt(jwk: Jwk, label: Uint8Array, data: Uint8Array, seed: Uint8Array): Uint8Array {
  const key = createPublicKey({ key: { kty: 'RSA', n: jwk.n ?? '', e: jwk.e ?? '' }, format: 'jwk' });
  const length = Buffer.from(jwk.n ?? '', 'base64url').length;
  const padding = new Uint8Array(length - data.length - 98);
  const block = concat(sha384(label), padding, Uint8Array.of(1), data);
  const maskedBlock = xor(block, mgf1(seed, block.length));
  const maskedSeed = xor(seed, mgf1(maskedBlock, 48));
  const encoded = concat(Uint8Array.of(0), maskedSeed, maskedBlock);
  return new Uint8Array(publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded));
}

const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, index) => byte ^ (b[index] ?? 0));

function mgf1(seed: Uint8Array, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / 48) }, (_, index) => sha384(seed, u32(index)));
  return concat(...blocks).subarray(0, length);
}

export const EC_KEYS = {
  alice: ecKey('alice'),
  bob: ecKey('bob'),
  'service-key-v1': ecKey('service-key-v1'),
  'service-key-v2': ecKey('service-key-v2'),
};

export const RSA_KEYS = {
  'rsa-3072': rsaKey('rsa-3072', 3072, [348, 2]),
  'rsa-4096': rsaKey('rsa-4096', 4096, [5004, 324]),
  'rsa-8192': rsaKey('rsa-8192', 8192, [3806, 134]),
};

export const AES_KEYS = { 'aes-1': random('KEK aes-1', 32), 'aes-2': random('KEK aes-2', 32) };

export const PASSPHRASES = {
  'passphrase-1': 'correct horse battery staple',
  'passphrase-nfc': 'Ångström ﬁ 密碼 🔑'.normalize('NFC'),
  'passphrase-nfd': 'Ångström ﬁ 密碼 🔑'.normalize('NFD'),
};

/** keys.json */
export const MATERIAL: Readonly<Record<string, KeyMaterial>> = {
  ...Object.fromEntries(Object.entries({ ...EC_KEYS, ...RSA_KEYS }).map(([name, { jwk }]) => [name, { jwk }])),
  ...Object.fromEntries(Object.entries(AES_KEYS).map(([name, bytes]) => [name, { bytes: base64url(bytes) }])),
  ...Object.fromEntries(Object.entries(PASSPHRASES).map(([name, passphrase]) => [name, { passphrase }])),
};

// Encodings and primitives of docs/key-service.md (notation, §4) and docs/format.md (§4.3, §4.4, §7.3, §8.2), written from these pages alone.

import type { JsonWebKey, KeyObject } from 'node:crypto';
import { createCipheriv, createDecipheriv, createHash, createPublicKey, hkdfSync, sign, verify } from 'node:crypto';

/** The key context of a data key (§5.5). */
export type KeyContext = Readonly<Record<string, string>>;

export const concat = (...parts: Uint8Array[]): Buffer => Buffer.concat(parts);
export const utf8 = (text: string): Buffer => Buffer.from(text, 'utf8');
export const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url');
export const hash = (name: 'sha256' | 'sha384', ...parts: Uint8Array[]): Buffer =>
  createHash(name)
    .update(concat(...parts))
    .digest();

/** Decodes base64url in its one canonical form. */
export function unb64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (b64(bytes) !== text) throw new Error('not canonical base64url');
  return bytes;
}

export function u16(n: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(n);
  return bytes;
}

export function u32(n: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(n);
  return bytes;
}

const bytesOf = (field: Uint8Array | string) => (typeof field === 'string' ? utf8(field) : field);
export const lp = (field: Uint8Array | string): Buffer => concat(u32(bytesOf(field).length), bytesOf(field));

/** map(...), format.md §4.4. */
export function map(context: KeyContext): Buffer {
  const pairs = Object.entries(context).sort(([a], [b]) => Buffer.compare(utf8(a), utf8(b)));
  return concat(u32(pairs.length), ...pairs.flatMap(([name, value]) => [lp(name), lp(value)]));
}

/** HKDF-SHA-384 with info(label, fields...), format.md §4.3. */
export function derive(
  z: Uint8Array,
  salt: Uint8Array,
  label: string,
  fields: readonly (Uint8Array | string)[],
  length: number,
): Buffer {
  const info = concat(utf8(label), u16(0).subarray(1), hash('sha384', ...fields.map(lp)));
  return Buffer.from(hkdfSync('sha384', z, salt, info, length));
}

/** AES-256-GCM with the 96-bit nonce n, big-endian: ciphertext and tag (§4.4; format.md §8 with n = 0). */
export function seal(key: Uint8Array, n: number, aad: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, concat(Buffer.alloc(8), u32(n))).setAAD(aad);
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

/** Opens what `seal` made of 32 bytes. */
export function open(key: Uint8Array, n: number, aad: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length !== 48) throw new Error('a sealed key has 48 bytes');
  const decipher = createDecipheriv('aes-256-gcm', key, concat(Buffer.alloc(8), u32(n)), { authTagLength: 16 });
  decipher.setAAD(aad).setAuthTag(sealed.subarray(32));
  return concat(decipher.update(sealed.subarray(0, 32)), decipher.final());
}

/** The uncompressed point of a P-384 key. */
export function pointOf(key: KeyObject): Buffer {
  const jwk = key.export({ format: 'jwk' });
  return concat(Buffer.of(4), unb64(jwk.x ?? ''), unb64(jwk.y ?? ''));
}

/** The P-384 public key of an uncompressed point; throws for a point off the curve. */
export function publicKeyOf(point: Uint8Array): KeyObject {
  if (point.length !== 97 || point[0] !== 4) throw new Error('not an uncompressed P-384 point');
  const jwk = { kty: 'EC', crv: 'P-384', x: b64(point.subarray(1, 49)), y: b64(point.subarray(49)) };
  return createPublicKey({ key: jwk, format: 'jwk' });
}

/** The RFC 7638 thumbprint of an EC key. */
export const thumbprint = ({ crv, x, y }: JsonWebKey): string =>
  b64(hash('sha256', utf8(JSON.stringify({ crv, kty: 'EC', x, y }))));

const json = (value: unknown) => b64(utf8(JSON.stringify(value)));

/** A JWS in compact form with an EC key: SHA-256 for ES256, SHA-384 for ES384. */
export function signJws(header: { alg: string }, claims: unknown, key: KeyObject): string {
  const input = `${json(header)}.${json(claims)}`;
  return `${input}.${b64(sign(`sha${header.alg.slice(2)}`, utf8(input), { key, dsaEncoding: 'ieee-p1363' }))}`;
}

/** Verifies a document of the service (§2.3, §2.5): the identity's thumbprint, ES384, exactly this `typ`; answers its claims. */
export function verifyDocument<Claims extends { iss: string; exp: number }>(
  jws: string,
  typ: string,
  identity: JsonWebKey,
  issuer: string,
): Claims {
  const [head = '', claims = '', signature = '', ...more] = jws.split('.');
  const header = JSON.parse(unb64(head).toString());
  const key = createPublicKey({ key: identity, format: 'jwk' });
  const signed = utf8(`${head}.${claims}`);
  if (more.length > 0 || header.alg !== 'ES384' || header.typ !== typ || header.kid !== thumbprint(identity))
    throw new Error('not a document of this identity');
  if (!verify('sha384', signed, { key, dsaEncoding: 'ieee-p1363' }, unb64(signature))) throw new Error('bad signature');
  const document: Claims = JSON.parse(unb64(claims).toString());
  if (document.iss !== issuer || document.exp * 1000 <= Date.now()) throw new Error('of another service, or expired');
  return document;
}

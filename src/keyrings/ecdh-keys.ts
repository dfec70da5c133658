/**
 * P-384 keys: making, importing, exporting. As strings they look like this, with base64url without padding behind the point:
 *
 * - `bullapk1.` and the uncompressed point, 97 bytes: what `bulla keygen` prints and `--recipient` takes;
 * - `bullask1.` and the private scalar with the point's coordinates, 3 times 48 bytes: **a secret**.
 */

import {
  coordinateLength,
  exportPoint,
  exportPrivateJwk,
  generateKeyPair,
  importPrivateJwk,
  isPoint,
} from '../crypto/ecdh.ts';
import { invalidKey } from '../crypto/refusal.ts';
import { thumbprint } from '../crypto/thumbprint.ts';
import { assert } from '../lib/assert.ts';
import { decodeBase64url, encodeBase64url, unfold } from '../lib/base64url.ts';
import { concat, isBytes } from '../lib/bytes.ts';
import { optional, type ReadersOf, takeBoolean, takeOptions } from '../lib/options.ts';
import type { Bytes, CryptoKey, JsonWebKey } from '../types.ts';
import { takeJwk } from './jwk.ts';

/** A recipient's public key. A plain object: it can be stored in IndexedDB and sent to a Worker as it is. */
export interface EcdhPublicKey {
  /** The RFC 7638 thumbprint of the key. Another id only where the holder of the private key uses the same: nobody else finds the wrapped key. */
  readonly keyId: string;
  /** The uncompressed point, 97 bytes. */
  readonly point: Bytes;
}

/** A private key with its public key. A plain object: IndexedDB keeps a key that is not extractable, and gives it back so. */
export interface EcdhPrivateKey {
  readonly publicKey: EcdhPublicKey;
  readonly privateKey: CryptoKey;
}

/** Whether a private key may be exported again. */
export interface ExtractableOption {
  /** Default: `false`. An extractable key can be stolen by any script that reaches it. */
  readonly extractable?: boolean | undefined;
}

const readers = { extractable: optional(takeBoolean, false) } satisfies ReadersOf<ExtractableOption>;

const type = { kty: 'EC', crv: 'P-384' } as const;
const publicPrefix = 'bullapk1.';
const privatePrefix = 'bullask1.';

/** Makes a P-384 key pair (FIPS 186-5). */
export async function generateEcdhKey(options: ExtractableOption = {}): Promise<EcdhPrivateKey> {
  const { extractable } = takeOptions(options, readers);
  const { publicKey, privateKey } = await generateKeyPair(extractable);
  return { publicKey: await publicKeyOf(await exportPoint(publicKey)), privateKey };
}

/** A public key from its string (`bullapk1.…`; white space does not matter) or its JWK (RFC 7518 §6.2.1). Rejects with `ERR_INVALID_KEY`. */
export async function importEcdhPublicKey(key: string | JsonWebKey): Promise<EcdhPublicKey> {
  return importPoint(
    typeof key === 'string' ? decodeString(key, publicPrefix) : pointOf(takeJwk(key, type, ['x', 'y'])),
  );
}

/** The string of a public key: `bullapk1.` and 130 characters. */
export function exportEcdhPublicKey(key: EcdhPublicKey): string {
  return publicPrefix + encodeBase64url(pointIn(key));
}

/** The JWK of a public key. */
export function exportEcdhPublicJwk(
  key: EcdhPublicKey,
): JsonWebKey & { kty: string; crv: string; x: string; y: string } {
  const [x, y] = split(pointIn(key).subarray(1));
  return { ...type, x: encodeBase64url(x), y: encodeBase64url(y) };
}

function pointIn(key: EcdhPublicKey): Bytes {
  assert(isBytes(key?.point), 'key', 'a public key');
  return key.point;
}

/** A private key from its string (`bullask1.…`) or its JWK (RFC 7518 §6.2.2). Rejects with `ERR_INVALID_KEY`. */
export async function importEcdhPrivateKey(
  key: string | JsonWebKey,
  options: ExtractableOption = {},
): Promise<EcdhPrivateKey> {
  const { extractable } = takeOptions(options, readers);
  const jwk =
    typeof key === 'string' ? privateJwk(decodeString(key, privatePrefix)) : takeJwk(key, type, ['x', 'y', 'd']);
  decodeCoordinate(jwk.d);
  return { publicKey: await importPoint(pointOf(jwk)), privateKey: await importPrivateJwk(jwk, extractable) };
}

/** The string of an extractable private key: `bullask1.` and 192 characters. **A secret.** Rejects with `ERR_INVALID_KEY` for a key that is not extractable. */
export async function exportEcdhPrivateKey(key: EcdhPrivateKey): Promise<string> {
  const jwk = await exportEcdhPrivateJwk(key);
  const bytes = concat(decodeCoordinate(jwk.d), pointOf(jwk).subarray(1));
  return privatePrefix + encodeBase64url(bytes);
}

/** The JWK of an extractable private key. **A secret.** Rejects with `ERR_INVALID_KEY` for a key that is not extractable. */
export async function exportEcdhPrivateJwk(key: EcdhPrivateKey): Promise<JsonWebKey> {
  assert(key?.privateKey?.type === 'private', 'key', 'a private key');
  const { privateKey } = key;
  if (!privateKey.extractable) throw invalidKey('not extractable');
  const { kty, crv, x, y, d } = await exportPrivateJwk(privateKey);
  return { kty, crv, x, y, d } as JsonWebKey;
}

async function importPoint(point: Bytes): Promise<EcdhPublicKey> {
  if (!isPoint(point)) throw invalidKey('not an uncompressed point on P-384');
  return publicKeyOf(point);
}

async function publicKeyOf(point: Bytes): Promise<EcdhPublicKey> {
  const [x, y] = split(point.subarray(1));
  const members = { crv: 'P-384', kty: 'EC', x: encodeBase64url(x), y: encodeBase64url(y) };
  return { keyId: await thumbprint(members), point };
}

function privateJwk(bytes: Bytes): JsonWebKey {
  if (bytes.byteLength !== 3 * coordinateLength) throw invalidKey('of the wrong length');
  const d = bytes.subarray(0, coordinateLength);
  const [x, y] = split(bytes.subarray(coordinateLength));
  return { ...type, d: encodeBase64url(d), x: encodeBase64url(x), y: encodeBase64url(y) };
}

function split(coordinatePair: Bytes): [x: Bytes, y: Bytes] {
  return [coordinatePair.subarray(0, coordinateLength), coordinatePair.subarray(coordinateLength)];
}

function pointOf({ x, y }: JsonWebKey): Bytes {
  return concat(Uint8Array.of(0x04), decodeCoordinate(x), decodeCoordinate(y));
}

function decodeCoordinate(text: unknown): Bytes {
  const bytes = typeof text === 'string' ? decodeBase64url(text) : undefined;
  if (bytes?.byteLength !== coordinateLength) throw invalidKey('no JWK of a key for EC P-384');
  return bytes;
}

function decodeString(folded: string, prefix: string): Bytes {
  const text = unfold(folded);
  const bytes = text.startsWith(prefix) ? decodeBase64url(text, prefix.length) : undefined;
  if (bytes === undefined) throw invalidKey(`no string of the form ${prefix}…`);
  return bytes;
}

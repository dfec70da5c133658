/** The keys that protect data keys between client and key service, and what binds each of them to its place; `docs/key-service.md` §4. */

import { deriveAead } from '../crypto/hkdf.ts';
import { verifyMac } from '../crypto/hmac.ts';
import type { AeadKey, SecretKey } from '../crypto/keys.ts';
import { concat, lengthPrefixed, u16, u32 } from '../lib/bytes.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Bytes } from '../types.ts';
import { digestFields, info } from './info.ts';

const labels = {
  responseSeal: 'bulla/v1 transport response seal',
  responseMac: 'bulla/v1 transport response mac',
  requestSeal: 'bulla/v1 transport request seal',
} as const;

/** What the transport keys of one request depend on besides the agreed secret and the salt (§4.2). */
export interface TransportFields {
  /** The tenant that the access token acts for. */
  readonly tenant: string;
  /** The path as sent, from `/v1/` on. */
  readonly operation: string;
  readonly requestId: string;
  /** The client's ephemeral point. */
  readonly clientPoint: Bytes;
  /** The service's transport key. */
  readonly servicePoint: Bytes;
  /** The RFC 7638 thumbprint of the proof key. */
  readonly proofKey: string;
}

/** The keys of one response: one that checks it, one that opens the data keys in it. */
export interface ResponseKeys {
  /** §4.3: whether a MAC is that of status and exact body. */
  verify(mac: Bytes, status: number, body: Bytes): Promise<boolean>;
  /** §4.4: the seal key, which unwraps and does nothing else. */
  sealKey(): Promise<AeadKey>;
}

/** §4.2 */
export async function responseKeys(
  agreed: SecretKey,
  salt: Bytes,
  fields: TransportFields,
  requestBodyDigest: Bytes,
): Promise<ResponseKeys> {
  const { tenant, operation, requestId, clientPoint, servicePoint, proofKey } = fields;
  const digest = await digestFields(
    ...[tenant, operation, requestId].map(utf8),
    clientPoint,
    servicePoint,
    requestBodyDigest,
    utf8(proofKey),
  );
  return {
    verify: (mac, status, body) =>
      verifyMac(agreed, salt, info(labels.responseMac, digest), mac, concat(u16(status), body)),
    sealKey: async () => deriveAead(agreed, salt, info(labels.responseSeal, digest), 'unwrap'),
  };
}

/** §4.5: the key that seals what a request carries. */
export async function requestSealKey(agreed: SecretKey, salt: Bytes, fields: TransportFields): Promise<AeadKey> {
  const { tenant, operation, requestId, clientPoint, servicePoint, proofKey } = fields;
  const digest = await digestFields(
    ...[tenant, operation, requestId].map(utf8),
    clientPoint,
    servicePoint,
    utf8(proofKey),
  );
  return deriveAead(agreed, salt, info(labels.requestSeal, digest), 'seal');
}

/** The nonce of the item at an index, which is sealed once under a key of this request alone (§4.4). */
export function itemNonce(index: number): Bytes {
  return concat(new Uint8Array(8), u32(index));
}

/** The additional data of a data key in a response (§4.4); the digests are SHA-384. */
export function responseItemData(
  index: number,
  keyId: string,
  version: number,
  keyContextDigest: Bytes,
  wrappedKeyDigest: Bytes,
): Bytes {
  return concat(u32(index), lengthPrefixed(utf8(keyId)), u32(version), keyContextDigest, wrappedKeyDigest);
}

/** The additional data of a data key in a request (§4.5). */
export function requestItemData(index: number, keyContextDigest: Bytes): Bytes {
  return concat(u32(index), keyContextDigest);
}

function utf8(text: string): Bytes {
  return encodeUtf8(text, 'transport field');
}

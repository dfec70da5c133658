/** The keys of one response and of one request, `docs/key-service.md` §4. */

import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { indexNonce, open, seal } from '../crypto/aead.ts';
import { digestFields, hmacSha384, sha384 } from '../crypto/digest.ts';
import { deriveBytes } from '../crypto/hkdf.ts';
import { type Bytes, concat, encodeBase64url, encodeUtf8, lengthPrefixed, u16, u32 } from '../lib/bytes.ts';

/** What both sides know of a request. */
export interface SessionParameters {
  /** The agreed secret `Z`. */
  readonly shared: Bytes;
  readonly tenant: string;
  readonly operation: string;
  readonly requestId: string;
  readonly clientPoint: Bytes;
  readonly servicePoint: Bytes;
  readonly proofKey: string;
}

/** What a sealed data key of a response belongs to. */
export interface ResultIdentity {
  readonly keyId: string;
  readonly version: number;
  /** SHA-384 of `map(key context)`. */
  readonly contextDigest: Bytes;
  readonly wrappedKey: Bytes;
}

/** One request's end of the transport. */
export class Session {
  readonly #parameters: SessionParameters;
  readonly #salt: Bytes = new Uint8Array(randomBytes(32));
  readonly #fields: Bytes;
  #sealKey: KeyObject | undefined;

  constructor(parameters: SessionParameters, body: Uint8Array) {
    this.#parameters = parameters;
    const { tenant, operation, requestId, clientPoint, servicePoint, proofKey } = parameters;
    const strings = [tenant, operation, requestId].map(encodeUtf8);
    this.#fields = digestFields(...strings, clientPoint, servicePoint, sha384(body), encodeUtf8(proofKey));
  }

  /** §4.4: a data key for the caller. */
  sealResult(index: number, { keyId, version, contextDigest, wrappedKey }: ResultIdentity, dataKey: Bytes): Bytes {
    this.#sealKey ??= createSecretKey(this.#derive('bulla/v1 transport response seal', 32));
    const key = concat(lengthPrefixed(encodeUtf8(keyId)), u32(version));
    const aad = concat(u32(index), key, contextDigest, sha384(wrappedKey));
    return seal(this.#sealKey, indexNonce(index), aad, dataKey);
  }

  /** §4.3: the headers that authenticate a response. */
  authenticate(status: number, body: Uint8Array): Record<'Bulla-Salt' | 'Bulla-MAC', string> {
    const key = this.#derive('bulla/v1 transport response mac', 48);
    const mac = hmacSha384(key, concat(u16(status), body));
    return { 'Bulla-Salt': encodeBase64url(this.#salt), 'Bulla-MAC': encodeBase64url(mac) };
  }

  /** §4.5: opens what the caller sealed under a salt of its own. */
  opener(salt: Bytes): (index: number, contextDigest: Bytes, sealed: Bytes) => Bytes | undefined {
    const { shared, tenant, operation, requestId, clientPoint, servicePoint, proofKey } = this.#parameters;
    const strings = [tenant, operation, requestId].map(encodeUtf8);
    const fields = digestFields(...strings, clientPoint, servicePoint, encodeUtf8(proofKey));
    const key = createSecretKey(deriveBytes(shared, salt, 'bulla/v1 transport request seal', fields, 32));
    return (index, contextDigest, sealed) => open(key, indexNonce(index), concat(u32(index), contextDigest), sealed);
  }

  #derive(label: 'bulla/v1 transport response seal' | 'bulla/v1 transport response mac', length: number): Bytes {
    return deriveBytes(this.#parameters.shared, this.#salt, label, this.#fields, length);
  }
}

/** Hashes and MACs over `node:crypto`, synchronous: the inputs are short. */

import { createHmac, hash } from 'node:crypto';
import { type Bytes, concat, lengthPrefixed } from '../lib/bytes.ts';

function digest(algorithm: string, data: Uint8Array): Bytes {
  return new Uint8Array(hash(algorithm, data, 'buffer'));
}

export function sha256(data: Uint8Array): Bytes {
  return digest('sha256', data);
}

export function sha384(data: Uint8Array): Bytes {
  return digest('sha384', data);
}

export function hmacSha256(key: Uint8Array, data: Uint8Array): Bytes {
  return new Uint8Array(createHmac('sha256', key).update(data).digest());
}

export function hmacSha384(key: Uint8Array, data: Uint8Array): Bytes {
  return new Uint8Array(createHmac('sha384', key).update(data).digest());
}

/** SHA-384 of the length-prefixed fields, what every `info` ends with. */
export function digestFields(...fields: readonly Uint8Array[]): Bytes {
  return sha384(concat(...fields.map(lengthPrefixed)));
}

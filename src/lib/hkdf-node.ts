/** HKDF with SHA-384 in Node, RFC 5869, by whatever is faster there for a few bytes. */

import { Buffer } from 'node:buffer';
import { createHmac, hkdfSync, type KeyObject } from 'node:crypto';
import type { Bytes } from '../types.ts';

/** Whether this is Node 20 or 22, which take longer for some things than later versions. */
export const isOldNode = Number.parseInt(process.versions.node, 10) < 23;

/** `length` bytes, at most 12,240. */
export const hkdf = isOldNode ? hkdfByHmac : hkdfByNode;

function hkdfByNode(key: KeyObject, salt: Bytes, info: Bytes, length: number): Bytes {
  return new Uint8Array(hkdfSync('sha384', key, salt, info, length));
}

const hashLength = 48;

/**
 * The same from HMACs. In Node 20 and 22 `hkdfSync` takes 1.5 times as long, and two calls of it are most of what a small message costs. In later versions
 * `createHmac` takes longer. What is secret in between is overwritten.
 */
export function hkdfByHmac(key: KeyObject, salt: Bytes, info: Bytes, length: number): Bytes {
  const secret = key.export();
  // §2.2: HMAC pads a key with zeros, so that an absent salt and 48 zeros are the same.
  const extracted = createHmac('sha384', salt).update(secret).digest();
  secret.fill(0);
  // §2.3
  const result = new Uint8Array(length);
  let block = Buffer.alloc(0);
  for (let at = 0; at < length; at += hashLength) {
    const count = Uint8Array.of(at / hashLength + 1);
    const next = createHmac('sha384', extracted).update(block).update(info).update(count).digest();
    block.fill(0);
    block = next;
    result.set(block.subarray(0, length - at), at);
  }
  block.fill(0);
  extracted.fill(0);
  return result;
}

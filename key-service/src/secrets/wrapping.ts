/** Wrapping and unwrapping data keys under a key version, `docs/key-service.md` §5.3, §5.4, §7.6 and `docs/format.md` §7.3, §8.2. */

import { randomBytes } from 'node:crypto';
import { open, seal, zeroNonce } from '../crypto/aead.ts';
import { digestFields } from '../crypto/digest.ts';
import { deriveBytes } from '../crypto/hkdf.ts';
import { agree, pointLength } from '../crypto/p384.ts';
import { type Bytes, concat, encodeUtf8, lengthPrefixed, u16, u32 } from '../lib/bytes.ts';
import type { Material } from './materials.ts';

/** How a data key was wrapped. */
export type WrappingMethod = 'service' | 'service-ecdh';

/** What a wrapped key is bound to. */
export interface WrappingIdentity {
  readonly serviceId: string;
  readonly tenant: string;
  readonly keyId: string;
  readonly version: number;
  /** `map(key context)` */
  readonly context: Bytes;
}

const format = 1;
const saltLength = 32;
const sealedLength = 48;

/** Bytes of a wrapped key, by method. */
export const wrappedLengths = {
  service: 1 + saltLength + sealedLength,
  'service-ecdh': pointLength + sealedLength,
} as const satisfies Record<WrappingMethod, number>;

/** §5.3 */
export function wrapDataKey({ symmetric }: Material, identity: WrappingIdentity, dataKey: Bytes): Bytes {
  const salt = randomBytes(saltLength);
  const bound = binding('service', identity);
  const key = subkey(symmetric, salt, identity.tenant, bound);
  try {
    return concat(Uint8Array.of(format), salt, seal(key, zeroNonce, bound, dataKey));
  } finally {
    key.fill(0);
  }
}

/** The data key, or `undefined` for bytes that were not wrapped so. */
export async function unwrapDataKey(
  material: Material,
  method: WrappingMethod,
  identity: WrappingIdentity,
  wrapped: Bytes,
): Promise<Bytes | undefined> {
  if (wrapped.byteLength !== wrappedLengths[method]) return undefined;
  const dataKey =
    method === 'service' ? unwrapOwn(material, identity, wrapped) : await unwrapEcdh(material, identity, wrapped);
  return dataKey?.byteLength === 32 ? dataKey : undefined;
}

/** By which a data key of a tenant is refused, however it is wrapped; §7.6. */
export function tombstoneOf(dataKey: Bytes, tenant: string): Bytes {
  return deriveBytes(dataKey, new Uint8Array(), 'bulla/v1 tombstone', digestFields(encodeUtf8(tenant)), 32);
}

function unwrapOwn({ symmetric }: Material, identity: WrappingIdentity, wrapped: Bytes): Bytes | undefined {
  if (wrapped[0] !== format) return undefined;
  const bound = binding('service', identity);
  const key = subkey(symmetric, wrapped.subarray(1, 1 + saltLength), identity.tenant, bound);
  try {
    return open(key, zeroNonce, bound, wrapped.subarray(1 + saltLength));
  } finally {
    key.fill(0);
  }
}

async function unwrapEcdh(material: Material, identity: WrappingIdentity, wrapped: Bytes): Promise<Bytes | undefined> {
  const ephemeral = wrapped.slice(0, pointLength);
  const shared = await agree(await material.privateKey(), ephemeral);
  if (!shared) return undefined;
  const bound = binding('service-ecdh', identity);
  const digest = digestFields(ephemeral, material.point, bound);
  const key = deriveBytes(shared, new Uint8Array(), 'bulla/v1 service-ecdh', digest, 32);
  try {
    return open(key, zeroNonce, bound, wrapped.subarray(pointLength));
  } finally {
    key.fill(0);
    shared.fill(0);
  }
}

function subkey(symmetric: Bytes, salt: Uint8Array, tenant: string, bound: Bytes): Bytes {
  return deriveBytes(symmetric, salt, 'bulla/v1 service wrap', digestFields(encodeUtf8(tenant), bound), 32);
}

// format.md §7.3 with AEAD id 1
function binding(method: WrappingMethod, { serviceId, keyId, version, context }: WrappingIdentity): Bytes {
  const fields = [encodeUtf8(method), u16(1), encodeUtf8(serviceId), encodeUtf8(keyId), u32(version), context];
  return concat(...fields.map(lengthPrefixed));
}

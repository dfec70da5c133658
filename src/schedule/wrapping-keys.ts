/** What a wrap binds, and the keys that seal data keys, `docs/format.md` §7.3 and §8. */

import { deriveAead } from '../crypto/hkdf.ts';
import type { AeadKey, SecretKey } from '../crypto/keys.ts';
import { concat, lengthPrefixed, u16, u32 } from '../lib/bytes.ts';
import { maxKeyContextValueLength } from '../lib/limits.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import type { Bytes, KeyContext } from '../types.ts';
import { digestFields, info, wrappingLabels } from './info.ts';
import { encodeMap, sortPairs } from './map.ts';

/** The methods whose binding this package computes, with their AEAD ids. */
const aeadIds = { ecdh: 1, 'service-ecdh': 1, aes: 1, passphrase: 1, rsa: 0, kms: 0 } as const;

/** The name of a method that this package wraps by. */
export type BoundMethod = keyof typeof aeadIds;

/** Which key a data key is wrapped under. */
export interface KeyIdentity {
  /** The id of the key encryption key or public key; 1 to 256 bytes of UTF-8. */
  readonly keyId: string;
  /** Its version; 0 for keys that have none. */
  readonly version: number;
  /** The logical name of the key service that holds it; empty for a key that none does. */
  readonly serviceId: string;
  /** The key context. */
  readonly keyContext: KeyContext;
}

const empty = new Uint8Array(0);

/** §7.3: the string that every wrap binds. */
export function binding(method: BoundMethod, { keyId, version, serviceId, keyContext }: KeyIdentity): Bytes {
  const fields = [
    encodeUtf8(method, 'method'),
    u16(aeadIds[method]),
    encodeUtf8(serviceId, 'serviceId'),
    encodeUtf8(keyId, 'keyId'),
    u32(version),
    encodeMap(sortPairs(keyContext, 'keyContext', maxKeyContextValueLength)),
  ];
  return concat(...fields.map(lengthPrefixed));
}

/** §8.1 and §8.2: from the result of the agreement. */
export async function deriveEcdhWrappingKey(
  method: 'ecdh' | 'service-ecdh',
  shared: SecretKey,
  ephemeralPoint: Bytes,
  recipientPoint: Bytes,
  bound: Bytes,
  use: 'seal' | 'unwrap',
): Promise<AeadKey> {
  const digest = await digestFields(ephemeralPoint, recipientPoint, bound);
  return deriveAead(shared, empty, info(wrappingLabels[method], digest), use);
}

/** §8.3: from a local key encryption key. */
export async function deriveAesWrappingKey(
  keyEncryptionKey: SecretKey,
  salt: Bytes,
  bound: Bytes,
  use: 'seal' | 'unwrap',
): Promise<AeadKey> {
  return deriveAead(keyEncryptionKey, salt, info(wrappingLabels.aes, await digestFields(bound)), use);
}

/** Wrapping to a P-384 point, for recipients and for keys of the key service. */

import { agree, exportPoint, generateKeyPair } from '../crypto/ecdh.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { KeyError } from '../errors.ts';
import { binding, deriveEcdhWrappingKey, type KeyIdentity } from '../schedule/wrapping-keys.ts';
import type { Bytes } from '../types.ts';
import { sealDataKey } from './local.ts';

/** Wraps a data key to a public key, §8.1 and §8.2. Rejects with `ERR_INVALID_KEY` for a point that is not on the curve. */
export async function wrapTo(
  method: 'ecdh' | 'service-ecdh',
  point: Bytes,
  identity: KeyIdentity,
  dataKey: Bytes,
): Promise<WrappedKey> {
  const ephemeral = await generateKeyPair(false);
  const ephemeralKey = await exportPoint(ephemeral.publicKey);
  const bound = binding(method, identity);
  const shared = await agree(ephemeral.privateKey, point);
  if (shared === undefined) throw new KeyError('ERR_INVALID_KEY', 'The public key of a recipient is no point on P-384');
  const wrappingKey = await deriveEcdhWrappingKey(method, shared, ephemeralKey, point, bound, 'seal');
  const sealedKey = await sealDataKey(wrappingKey, bound, dataKey);
  return { ...identity, wrapping: { method, ephemeralKey, sealedKey } };
}

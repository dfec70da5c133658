/** Data keys where they exist as bytes: made here, or about to be re-wrapped, and overwritten right afterwards. */

import { importSecret } from '../crypto/hkdf.ts';
import { randomBytes } from '../crypto/random.ts';
import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { KeyError } from '../errors.ts';
import { takeBytes } from '../lib/options.ts';
import { dataKeyLength } from '../schedule/message-keys.ts';
import type { Bytes } from '../types.ts';
import type { DataKey, GeneratedDataKey, KeyringOptions } from './keyring.ts';

/**
 * A handle on a data key of 32 bytes, for keyrings of your own. The bytes are copied: overwrite yours. Rejects with `ERR_INVALID_KEY` for another length.
 */
export async function importDataKey(bytes: Uint8Array): Promise<DataKey> {
  return useAndErase(takeDataKey(bytes), importSecret);
}

/** A copy of a data key that a caller gave. Throws `ERR_INVALID_KEY` for another length, and a `TypeError` for what is no bytes. */
export function takeDataKey(given: unknown): Bytes {
  const bytes = takeBytes(given, 'dataKey');
  if (bytes.byteLength === dataKeyLength) return bytes;
  throw new KeyError('ERR_INVALID_KEY', `A data key must have ${dataKeyLength} bytes`);
}

/** Makes a data key, hands its bytes to `wrap`, and overwrites them whatever happens. */
export async function generateAndWrap(
  wrap: (dataKey: Bytes) => Promise<readonly WrappedKey[]>,
  { random }: KeyringOptions = {},
): Promise<GeneratedDataKey> {
  return useAndErase(await randomBytes(dataKeyLength, random), async (bytes) => {
    const wrappedKeys = await wrap(bytes);
    return { dataKey: await importSecret(bytes), wrappedKeys, keyUse: 'single' };
  });
}

/** Calls `use` with secret bytes and overwrites them afterwards, whatever happens. */
export async function useAndErase<Result>(bytes: Bytes, use: (bytes: Bytes) => Promise<Result>): Promise<Result> {
  try {
    return await use(bytes);
  } finally {
    // Memory that was transferred away is no longer here, and must not hide what happened.
    if (bytes.byteLength > 0) bytes.fill(0);
  }
}

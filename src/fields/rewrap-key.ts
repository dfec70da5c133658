/** One wrapped data key of fields, wrapped again: `docs/fields.md` §10.13. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { FieldError, isBullaError } from '../errors.ts';
import { rewrappedBy, someOf, unwrappedBy, unwrappedBytesBy, wrappedBy } from '../keyrings/answers.ts';
import { useAndErase } from '../keyrings/data-key.ts';
import type { Keyring } from '../keyrings/keyring.ts';
import { equalConstantTime } from '../lib/bytes.ts';
import { deriveFieldKeyId } from '../schedule/field-keys.ts';
import type { Bytes } from '../types.ts';
import type { DataKeyRow } from './data-key-store.ts';
import { decodeWrapped, encodeWrapped } from './wrapped.ts';

/**
 * What the column `wrapped` of a row becomes, or `undefined` where it is under the newest version of its keys already. The data key is unwrapped and compared with the row's id first, and stays with its
 * holder where `to` can re-wrap by itself. Rejects with `ERR_FIELD_KEY` for a row that must not be believed.
 */
export async function rewrapRow(
  row: DataKeyRow,
  from: Keyring,
  to: Keyring,
  signal: AbortSignal | undefined,
): Promise<Bytes | undefined> {
  const wrapped = row.wrapped === null ? undefined : decodeWrapped(row.wrapped, row.tenant);
  if (wrapped === undefined) throw keyError('A data key has a wrapped key that must not stand there');
  const opening = async () => unwrappedBy(from, wrapped, { signal });
  const opened = await opening().catch(refused);
  if (opened === null) throw keyError('A data key does not unwrap with the keyring of its tenant');
  if (!equalConstantTime(await deriveFieldKeyId(opened.dataKey, row), row.id)) {
    throw keyError('A data key is not the one that its row says');
  }
  const made = someOf(await wrappedAgain([opened.wrappedKey], from, to, signal));
  const isSame = made.length === wrapped.length && made.every((key) => wrapped.some((old) => isVersion(key, old)));
  return isSame ? undefined : encodeWrapped(made, row.tenant);
}

async function wrappedAgain(
  keys: readonly WrappedKey[],
  from: Keyring,
  to: Keyring,
  signal: AbortSignal | undefined,
): Promise<readonly WrappedKey[]> {
  const rewrapped = await rewrappedBy(to, keys, from, { signal, verified: true }).catch(refused);
  if (rewrapped !== null && rewrapped !== 'unverified') return rewrapped.wrappedKeys;
  const opened = await unwrappedBytesBy(from, keys, { signal }).catch(refused);
  if (opened === null) throw keyError('A data key does not unwrap with the keyring of its tenant');
  return useAndErase(opened.dataKey, (dataKey) => wrappedBy(to, dataKey, { signal }));
}

/** A wrapped key that does not unwrap is a fault of the row, and so is one that the key service refuses (§7.6); all else stays what it is. */
function refused(error: unknown): null {
  if (isBullaError(error) && error.code === 'ERR_DECRYPTION_FAILED') return null;
  if (isBullaError(error) && error.code === 'ERR_DATA_KEY_REVOKED') {
    throw new FieldError('ERR_FIELD_SHREDDED', 'The data keys of this subject were destroyed');
  }
  throw error;
}

function isVersion(key: WrappedKey, old: WrappedKey): boolean {
  return key.keyId === old.keyId && key.serviceId === old.serviceId && key.version === old.version;
}

function keyError(message: string): FieldError {
  return new FieldError('ERR_FIELD_KEY', message);
}

/** One data key of fields: unwrapped, and compared with what its row says of it. `docs/fields.md` §4.3 and §4.4. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { FieldError, isBullaError } from '../errors.ts';
import { rejectedBy, unwrappedBy } from '../keyrings/answers.ts';
import type { DataKey, Keyring, Unwrapped } from '../keyrings/keyring.ts';
import { isPromise, whenThere } from '../lib/awaitable.ts';
import { equalConstantTime } from '../lib/bytes.ts';
import { deriveFieldKeyId } from '../schedule/field-keys.ts';
import type { Awaitable } from '../types.ts';
import type { DataKeyRow } from './data-key-store.ts';
import { decodeWrapped } from './wrapped.ts';

/** A row as it was found, and when. */
export interface KnownRow {
  readonly row: DataKeyRow;
  readonly at: number;
  /** Its wrapped keys, once they were looked at. */
  wrapped?: readonly WrappedKey[];
  /** The data key whose id was found to be the row's (§4.3). */
  verified?: OpenedKey;
}

/** A data key that is ready for use. */
export interface OpenedKey {
  readonly row: DataKeyRow;
  readonly dataKey: DataKey;
}

/** The data key of a row: at once where the keyring has it at hand. Fails with `ERR_FIELD_KEY` and `ERR_FIELD_SHREDDED`. */
export function unwrapKnown(
  known: KnownRow,
  keyringOf: (tenant: string) => Awaitable<Keyring>,
  signal: AbortSignal | undefined,
): Awaitable<OpenedKey> {
  const { row } = known;
  if (row.state === 'shredded' || row.wrapped === null) throw subjectShredded();
  const wrapped = known.wrapped ?? decodeWrapped(row.wrapped, row.tenant);
  if (wrapped === undefined) throw keyError('A data key has a wrapped key that must not stand there');
  known.wrapped = wrapped;
  return whenThere(keyringOf(row.tenant), (keyring) =>
    whenThere(unwrap(keyring, wrapped, signal), (unwrapped) => {
      if (unwrapped === null) throw keyError('A data key does not unwrap with the keyring of its tenant');
      return known.verified?.dataKey === unwrapped.dataKey ? known.verified : verify(known, keyring, unwrapped);
    }),
  );
}

/** `null` where the keyring cannot. */
function unwrap(
  keyring: Keyring,
  wrapped: readonly WrappedKey[],
  signal: AbortSignal | undefined,
): Awaitable<Unwrapped<DataKey> | null> {
  const failed = (error: unknown): null => {
    if (isBullaError(error) && error.code === 'ERR_DECRYPTION_FAILED') return null;
    // §7.6
    if (isBullaError(error) && error.code === 'ERR_DATA_KEY_REVOKED') throw subjectShredded();
    throw error;
  };
  try {
    const unwrapped = unwrappedBy(keyring, wrapped, { signal });
    return isPromise(unwrapped) ? unwrapped.catch(failed) : unwrapped;
  } catch (error) {
    return failed(error);
  }
}

/** §4.3 */
async function verify(
  known: KnownRow,
  keyring: Keyring,
  { dataKey, wrappedKey }: Unwrapped<DataKey>,
): Promise<OpenedKey> {
  const { row } = known;
  if (!equalConstantTime(await deriveFieldKeyId(dataKey, row), row.id)) {
    await rejectedBy(keyring, wrappedKey);
    throw keyError('A data key is not the one that its row says');
  }
  known.verified = { row, dataKey };
  return known.verified;
}

/** What is wrong with a data key, as an error. */
export function keyError(message: string): FieldError {
  return new FieldError('ERR_FIELD_KEY', message);
}

/** The error of a subject whose data keys were destroyed. */
export function subjectShredded(): FieldError {
  return new FieldError('ERR_FIELD_SHREDDED', 'The data keys of this subject were destroyed');
}

/** Which errors of a platform say that a ciphertext does not open or a key is none, and which say that something else is wrong. */

import { isRefusal } from '#platform';
import { DecryptionError, KeyError } from '../errors.ts';

/** Throws `ERR_DECRYPTION_FAILED` for a platform's refusal of a ciphertext, and every other error as it is: a missing API or a detached buffer is no wrong tag. */
export function failDecryption(error: unknown): never {
  throw isRefusal(error) ? new DecryptionError() : error;
}

/** Throws `ERR_INVALID_KEY` for a platform's refusal of the bytes of a key, and every other error as it is. */
export function failImport(error: unknown): never {
  throw isRefusal(error) ? invalidKey('refused by the platform') : error;
}

/** The error for a key that is none. Never names any part of it: it may be a secret one that was passed by mistake. */
export function invalidKey(what: string): KeyError {
  return new KeyError('ERR_INVALID_KEY', `The key is ${what}`);
}

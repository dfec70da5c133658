/** Which errors of a platform say that a ciphertext does not open, and which say that something else is wrong. */

import { isRefusal } from '#platform';
import { DecryptionError } from '../errors.ts';

/** Throws `ERR_DECRYPTION_FAILED` for a platform's refusal of a ciphertext, and every other error as it is: a missing API or a detached buffer is no wrong tag. */
export function failDecryption(error: unknown): never {
  throw isRefusal(error) ? new DecryptionError() : error;
}

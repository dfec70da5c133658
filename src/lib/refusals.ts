/** How Web Cryptography says that it refuses a ciphertext. */

/**
 * Whether an error is about the ciphertext: an `OperationError` for a wrong tag or padding, a `DataError` for what was unwrapped and is no key of a length
 * that there is. By name, because a `DOMException` may come from another realm.
 */
export function isRefusal(error: unknown): boolean {
  return /^(Operation|Data)Error$/.test(String((error as { name?: unknown } | null | undefined)?.name));
}

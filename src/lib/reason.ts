/** Why a connection failed, in one word. */

/** What is at the bottom of a failed fetch: in Node the code of the socket or of TLS, in browsers all that they tell. */
export function reasonOf(error: unknown): string {
  const { code, message, cause } = (error ?? {}) as { code?: unknown; message?: unknown; cause?: unknown };
  return cause === undefined ? String(code ?? message) : reasonOf(cause);
}

/** What a keyring answers that was asked to revoke data keys. Apart from the other answers: few programs ask. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { arrayOf, integer, nested, oneOf, optional, type ReadersOf, takeText } from '../lib/options.ts';
import { answerOf } from './answers.ts';
import type { DataKeyRevocation, Keyring, KeyringOptions } from './keyring.ts';

const takeRevocation = nested({
  service: takeText,
  id: takeText,
  state: oneOf('requested', 'revoked'),
  dataKeys: integer(1, Number.MAX_SAFE_INTEGER),
  leaf: optional(integer(0, Number.MAX_SAFE_INTEGER)),
} satisfies ReadersOf<DataKeyRevocation>);

/** What came of asking a keyring to revoke data keys; `null` where it cannot. Rejects as {@link answerOf} does, and with a `TypeError` for an answer that is none. */
export async function revokedBy(
  keyring: Keyring,
  wrappedKeys: readonly WrappedKey[],
  { signal }: KeyringOptions,
): Promise<readonly DataKeyRevocation[] | null> {
  return answerOf(
    async () => keyring.revokeDataKeys?.([...wrappedKeys], { signal }) ?? null,
    signal,
    (answer) => answer && arrayOf(takeRevocation)(answer, 'revoked'),
  );
}

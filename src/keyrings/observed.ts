/** A keyring that tells what is done with it: the hook for counters and alerts. */

import type { WrappedKey } from '../envelope/wrapped-key.ts';
import { isBullaError } from '../errors.ts';
import { assert } from '../lib/assert.ts';
import { emit, type OnEvent } from '../lib/events.ts';
import type { Awaitable } from '../types.ts';
import { generatedBy, rejectedBy, tellSegmentFailed, unwrappedBy, unwrappedBytesBy } from './answers.ts';
import { inFrontOf } from './forwarding.ts';
import { assertKeyring, type Keyring, type KeyringOptions, type Unwrapped } from './keyring.ts';

export type { BullaEvent, DecryptEvent, DecryptionFailedEvent, EncryptEvent, OnEvent } from '../lib/events.ts';

/**
 * A keyring that tells when messages are encrypted, opened, and fail to open: because no key is allowed or at hand, the data key does not unwrap, it is not that of the message, or a segment was
 * changed. Of the segments of one message it tells once.
 *
 * @example
 * let failures = 0;
 * const keyring = observedKeyring(inner, (event) => {
 *   if (event.type === 'decryption-failed' && ++failures > 100) alertOperators(event.error);
 * });
 */
export function observedKeyring(keyring: Keyring, onEvent: OnEvent): Keyring {
  assertKeyring(keyring, 'keyring');
  assert(typeof onEvent === 'function', 'onEvent', 'a function');
  return inFrontOf(keyring, {
    async generateDataKey(options) {
      const generated = await generatedBy(keyring, options);
      const keyIds = generated.wrappedKeys.map(({ keyId }) => keyId);
      emit(onEvent, { type: 'encrypt', keyIds, keyUse: generated.keyUse });
      return generated;
    },
    unwrapDataKey: watched(onEvent, (keys, options) => unwrappedBy(keyring, keys, options)),
    unwrapDataKeyBytes: watched(onEvent, (keys, options) => unwrappedBytesBy(keyring, keys, options)),
    async rejectDataKey(wrappedKey) {
      tellFailure(onEvent, 'ERR_DECRYPTION_FAILED', [wrappedKey]);
      await rejectedBy(keyring, wrappedKey);
    },
    segmentFailed(wrappedKey) {
      tellFailure(onEvent, 'ERR_DECRYPTION_FAILED', [wrappedKey]);
      tellSegmentFailed(keyring, wrappedKey);
    },
  });
}

function watched<Key>(
  onEvent: OnEvent,
  unwrap: (keys: readonly WrappedKey[], options: KeyringOptions) => Awaitable<Unwrapped<Key> | null>,
) {
  return async (wrappedKeys: readonly WrappedKey[], options: KeyringOptions) => {
    try {
      const unwrapped = await unwrap(wrappedKeys, options);
      if (unwrapped === null) tellFailure(onEvent, 'ERR_NO_MATCHING_KEY', wrappedKeys);
      else emit(onEvent, { type: 'decrypt', keyId: unwrapped.wrappedKey.keyId, version: unwrapped.wrappedKey.version });
      return unwrapped;
    } catch (error) {
      if (isBullaError(error)) tellFailure(onEvent, error.code, wrappedKeys);
      throw error;
    }
  };
}

function tellFailure(onEvent: OnEvent, error: string, keys: readonly WrappedKey[]): void {
  emit(onEvent, { type: 'decryption-failed', error, keyIds: keys.map(({ keyId }) => keyId) });
}

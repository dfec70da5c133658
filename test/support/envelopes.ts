// Detached envelopes with other wrapped keys, as somebody makes them who can write to the storage.

import { messageRules, readCanonical } from '../../src/envelope/wire.ts';
import { writeCanonical } from '../../src/envelope/write.ts';
import { copy } from '../../src/lib/bytes.ts';
import { frameEnvelope } from '../../src/message/forms.ts';

const preambleLength = 10;
const rules = messageRules({
  1: { name: 'header', type: 'bytes' },
  2: { name: 'keys', type: 'bytes', repeated: Number.POSITIVE_INFINITY },
  3: { name: 'commitment', type: 'bytes' },
});
const decoded = (envelope: Uint8Array) =>
  readCanonical(new Uint8Array(envelope.subarray(preambleLength)), rules, 'envelope').fields;

/** The serialized wrapped keys of a detached envelope. */
export function keysOf(envelope: Uint8Array): readonly Uint8Array[] {
  return decoded(envelope).keys;
}

/** A detached envelope with these wrapped keys in place of its own. */
export function framed(envelope: Uint8Array, ...keys: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const { header, commitment } = decoded(envelope);
  return frameEnvelope(writeCanonical(rules, { header, keys: keys.map(copy), commitment }), 'envelope');
}

/** A detached envelope with the wrapped keys of another one. */
export function withKeysOf(envelope: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  return framed(envelope, ...keysOf(other));
}

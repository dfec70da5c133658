// Detached envelopes with other wrapped keys, as somebody makes them who can write to the storage.

import { bulla } from '../../src/envelope/generated/bulla.js';
import { frameEnvelope } from '../../src/message/forms.ts';

const preambleLength = 10;
const decoded = (envelope: Uint8Array) => bulla.v1.Envelope.decode(envelope.subarray(preambleLength));

/** The serialized wrapped keys of a detached envelope. */
export function keysOf(envelope: Uint8Array): readonly Uint8Array[] {
  return decoded(envelope).keys;
}

/** A detached envelope with these wrapped keys in place of its own. */
export function framed(envelope: Uint8Array, ...keys: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const { header, commitment } = decoded(envelope);
  const bytes = bulla.v1.Envelope.encode({ header, keys: [...keys], commitment }).finish();
  return frameEnvelope(new Uint8Array(bytes), 'envelope');
}

/** A detached envelope with the wrapped keys of another one. */
export function withKeysOf(envelope: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  return framed(envelope, ...keysOf(other));
}

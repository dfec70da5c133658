/** The envelope, `docs/format.md` §2: header, wrapped keys and commitment, to bytes and back. */

import { KeyError, MessageFormatError } from '../errors.ts';
import { copy } from '../lib/bytes.ts';
import { fieldsUse, maxEnvelopeLength, maxHeaderLength, maxWrappedKeyLength, maxWrappedKeys } from '../lib/limits.ts';
import { commitmentLength } from '../schedule/message-keys.ts';
import type { Bytes } from '../types.ts';
import { decodeHeader, type HeaderFields } from './header.ts';
import { malformed, messageRules, readCanonical } from './wire.ts';
import { decodeWrappedKey, encodeWrappedKey, type WrappedKey } from './wrapped-key.ts';
import { writeCanonical } from './write.ts';

/** What stands in front of the segments. */
export interface Envelope {
  readonly header: HeaderFields;
  /** The header as sent or received: what is hashed. */
  readonly headerBytes: Bytes;
  readonly keys: readonly WrappedKey[];
  readonly commitment: Bytes;
}

/** The fields of an envelope (§2). */
export const envelopeRules = messageRules({
  1: { name: 'header', type: 'bytes', required: true, limit: maxHeaderLength },
  2: { name: 'keys', type: 'bytes', required: true, repeated: maxWrappedKeys, limit: maxWrappedKeyLength },
  3: { name: 'commitment', type: 'bytes', required: true, least: commitmentLength, most: commitmentLength },
});

/** The bytes of an envelope, to be framed by a copy: they may be a view of memory that others share. Throws `ERR_LIMIT_EXCEEDED`, and `ERR_MALFORMED` for wrapped keys that cannot stand together (§8.6), and `ERR_KEYRING_CANNOT` for those of database fields. */
export function encodeEnvelope(headerBytes: Bytes, keys: readonly WrappedKey[], commitment: Bytes): Bytes {
  if (keys.length > maxWrappedKeys) {
    throw new MessageFormatError('ERR_LIMIT_EXCEEDED', `A message has at most ${maxWrappedKeys} wrapped keys`);
  }
  if (keys.some(isOfFields)) {
    throw new KeyError('ERR_KEYRING_CANNOT', 'The keyring is for database fields and encrypts no messages');
  }
  assertOnePassphrase(keys);
  const entries = keys.map(encodeWrappedKey);
  const bytes = writeCanonical(envelopeRules, { header: headerBytes, keys: entries, commitment });
  if (bytes.byteLength > maxEnvelopeLength) {
    throw new MessageFormatError('ERR_LIMIT_EXCEEDED', `The envelope would have more than ${maxEnvelopeLength} bytes`);
  }
  return bytes;
}

/** The parts of an envelope, all of them checked. They are views of a copy: what becomes of `bytes` afterwards does not reach them. Throws a {@link MessageFormatError}. */
export function decodeEnvelope(bytes: Bytes): Envelope {
  const { fields } = readCanonical(copy(bytes), envelopeRules, 'envelope');
  const { header: headerBytes, commitment } = fields;
  const header = decodeHeader(headerBytes);
  const keys = fields.keys.map(decodeWrappedKey);
  if (keys.some(isOfFields)) throw malformed('envelope', 'has a wrapped key of database fields');
  assertOnePassphrase(keys);
  return { header, headerBytes, keys, commitment };
}

// §8.6: several would let a message stall its reader, and test guesses.
function assertOnePassphrase(keys: readonly WrappedKey[]): void {
  if (keys.length > 1 && keys.filter(({ wrapping }) => wrapping.method === 'passphrase').length > 1) {
    throw malformed('envelope', 'has more than one wrapped key of the method passphrase');
  }
}

// docs/fields.md §4.5: otherwise a wrapped key could be carried from messages to fields, or the other way round.
function isOfFields({ keyContext }: WrappedKey): boolean {
  return keyContext['use'] === fieldsUse;
}

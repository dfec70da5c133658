/** What every way to encrypt begins with: options checked, a data key, the header, the key schedule, the envelope. */

import type { AeadKey } from '../crypto/keys.ts';
import { randomize } from '../crypto/random.ts';
import { defaultSuite } from '../crypto/suites.ts';
import { encodeEnvelope } from '../envelope/envelope.ts';
import { encodeHeader } from '../envelope/header.ts';
import { assertKeyring, type Keyring } from '../keyrings/keyring.ts';
import { assert, assertFunction, assertSignal } from '../lib/assert.ts';
import { maxNameLength, maxSegmentSizeLog2, maxValueLength, minSegmentSizeLog2 } from '../lib/limits.ts';
import { pooled } from '../lib/pool.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { encodeMap, sortPairs } from '../schedule/map.ts';
import { deriveMessageKeys, saltLength } from '../schedule/message-keys.ts';
import type { Bytes, Context, Metadata, RandomSource } from '../types.ts';

/** Options that all ways to encrypt share. */
export interface EncryptionOptions {
  /** Makes the data key and wraps it. */
  readonly keyring: Keyring;
  /** What must be given again to decrypt. Bound, never stored; its names are. Default: empty. */
  readonly context?: Context | undefined;
  /** The media type of the plaintext, in clear and authenticated; at most 256 bytes. Default: none. */
  readonly contentType?: string | undefined;
  /** Names and values in clear and authenticated. Default: none. */
  readonly metadata?: Metadata | undefined;
  /** Plaintext bytes in a segment: a power of two from 4,096 to 4,194,304. Smaller ones cost speed, larger ones memory. Default: 262,144. */
  readonly segmentSize?: number | undefined;
  /** Ends the work; what was called rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The clock, in milliseconds since 1970. Default: `Date.now`. */
  readonly now?: (() => number) | undefined;
  /**
   * Replaces the platform's random generator. **For reproducible tests alone**: two messages from the same random bytes and the same data key share a
   * message key and its nonces, which gives both plaintexts away. Ephemeral ECDH keys and RSA padding do not come from it.
   */
  readonly random?: RandomSource | undefined;
}

/** What {@link EncryptionOptions} may contain. */
export const encryptionOptionNames = [
  'keyring',
  'context',
  'contentType',
  'metadata',
  'segmentSize',
  'signal',
  'now',
  'random',
] as const;

/** A message whose segments are yet to be sealed. */
export interface Encryption {
  readonly envelope: Bytes;
  readonly messageKey: AeadKey;
  readonly segmentSize: number;
}

const defaultSegmentSize = 2 ** 18;

/** Begins a message of `plaintextLength` bytes, where that is known. Rejects with a `TypeError` that names a wrong option, `ERR_LIMIT_EXCEEDED`, or what the keyring rejects with. */
export async function beginEncryption(options: EncryptionOptions, plaintextLength?: number): Promise<Encryption> {
  const { keyring, context = {}, contentType = '', metadata = {}, signal, random } = options;
  const { segmentSize = defaultSegmentSize, now = Date.now } = options;
  assertKeyring(keyring, 'keyring');
  assert(typeof contentType === 'string', 'contentType', 'a string');
  const contentTypeLength = encodeUtf8(contentType, 'contentType').byteLength;
  assert(contentTypeLength <= maxNameLength, 'contentType', `at most ${maxNameLength} bytes`);
  assertFunction(now, 'now');
  assertFunction(random, 'random');
  const segmentSizeLog2 = Math.log2(segmentSize);
  const isSize = minSegmentSizeLog2 <= segmentSizeLog2 && segmentSizeLog2 <= maxSegmentSizeLog2;
  assert(isSize && Number.isInteger(segmentSizeLog2), 'segmentSize', 'a power of two from 4096 to 4194304');
  assertSignal(signal);
  const contextPairs = sortPairs(context, 'context', maxValueLength);
  const metadataPairs = sortPairs(metadata, 'metadata', maxValueLength);

  const { dataKey, wrappedKeys, keyUse } = await keyring.generateDataKey({ signal, random, plaintextLength });
  signal?.throwIfAborted();
  const salt = await randomize(pooled(saltLength), random);
  const header = encodeHeader({
    suite: defaultSuite,
    salt,
    segmentSizeLog2,
    created: Math.floor(now() / 1000),
    keyUse,
    contextNames: contextPairs.map(({ name }) => name),
    contentType,
    metadata: metadataPairs.map(({ name, value }) => [name, value]),
  });
  const transcript = { suite: defaultSuite, salt, header, context: encodeMap(contextPairs) };
  const { messageKey, commitment } = await deriveMessageKeys(dataKey, transcript, 'seal');
  const envelope = encodeEnvelope(header, wrappedKeys, commitment);
  return { envelope, messageKey, segmentSize };
}

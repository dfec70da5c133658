/** What every way to encrypt begins with: options checked, a data key, the header, the key schedule, the envelope. */

import type { AeadKey } from '../crypto/keys.ts';
import { randomize } from '../crypto/random.ts';
import { defaultSuite } from '../crypto/suites.ts';
import { encodeEnvelope } from '../envelope/envelope.ts';
import { encodeHeader } from '../envelope/header.ts';
import { generatedBy, someOf } from '../keyrings/answers.ts';
import { type Keyring, takeKeyring } from '../keyrings/keyring.ts';
import { assert } from '../lib/assert.ts';
import { timeOf } from '../lib/callbacks.ts';
import { maxNameLength, maxSegmentSizeLog2, maxValueLength, minSegmentSizeLog2 } from '../lib/limits.ts';
import {
  func,
  optional,
  optionalMap,
  type ReadersOf,
  type Taken,
  takeClock,
  takeSignal,
  takeString,
} from '../lib/options.ts';
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
  /** The media type of the plaintext, authenticated but not encrypted; at most 256 bytes. Default: none. */
  readonly contentType?: string | undefined;
  /** Names and values, authenticated but not encrypted. Default: none. */
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

/** The readers of {@link EncryptionOptions}. */
export const encryptionReaders = {
  keyring: takeKeyring,
  context: optionalMap,
  contentType: optional(takeContentType, ''),
  metadata: optionalMap,
  segmentSize: optional(takeSegmentSize, 2 ** 18),
  signal: optional(takeSignal),
  now: takeClock,
  random: optional(func<RandomSource>()),
} satisfies ReadersOf<EncryptionOptions>;

/** {@link EncryptionOptions} that were taken. */
export type TakenEncryption = Taken<typeof encryptionReaders>;

/** A message whose segments are yet to be sealed. */
export interface Encryption {
  readonly envelope: Bytes;
  readonly messageKey: AeadKey;
  readonly segmentSize: number;
}

/** Begins a message of `plaintextLength` bytes, where that is known. Rejects with `ERR_LIMIT_EXCEEDED`, with what the keyring rejects with, and with a `TypeError` for a clock that shows no time. */
export async function beginEncryption(options: TakenEncryption, plaintextLength?: number): Promise<Encryption> {
  const { keyring, context, contentType, metadata, segmentSize, signal, now, random } = options;
  signal?.throwIfAborted();
  const contextPairs = sortPairs(context, 'context', maxValueLength);
  const metadataPairs = sortPairs(metadata, 'metadata', maxValueLength);

  // Both are awaited even where they are at hand: of many messages at once each step is then done for all of them, which takes less time (see `deriveMessageKeys`).
  const { dataKey, wrappedKeys, keyUse } = await generatedBy(keyring, { signal, random, plaintextLength });
  const salt = await randomize(pooled(saltLength), random);
  const header = encodeHeader({
    suite: defaultSuite,
    salt,
    segmentSizeLog2: Math.log2(segmentSize),
    created: creationTime(now),
    keyUse,
    contextNames: contextPairs.map(({ name }) => name),
    contentType,
    metadata: metadataPairs.map(({ name, value }) => [name, value]),
  });
  const transcript = { suite: defaultSuite, salt, header, context: encodeMap(contextPairs) };
  const { messageKey, commitment } = await deriveMessageKeys(dataKey, transcript, 'seal');
  const envelope = encodeEnvelope(header, someOf(wrappedKeys), commitment);
  return { envelope, messageKey, segmentSize };
}

/** §3.2: seconds since 1970, above 0 and in 32 bits. */
function creationTime(now: () => number): number {
  const seconds = Math.floor(timeOf(now) / 1000);
  assert(
    seconds >= 1 && seconds < 2 ** 32,
    'what now() returns',
    'a time from 1970-01-01T00:00:01Z to 2106-02-07T06:28:15Z',
  );
  return seconds;
}

/** The reader of a media type. */
export function takeContentType(value: unknown, name: string): string {
  const contentType = takeString(value, name);
  assert(encodeUtf8(contentType, name).byteLength <= maxNameLength, name, `at most ${maxNameLength} bytes`);
  return contentType;
}

function takeSegmentSize(value: unknown, name: string): number {
  const log2 = typeof value === 'number' ? Math.log2(value) : Number.NaN;
  const isSize = minSegmentSizeLog2 <= log2 && log2 <= maxSegmentSizeLog2 && 2 ** Math.round(log2) === value;
  assert(isSize, name, 'a power of two from 4096 to 4194304');
  return value as number;
}

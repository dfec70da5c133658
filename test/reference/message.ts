// Messages of docs/format.md: framing and forms (§1), the order of a reader's checks, and segments (§6).

import { timingSafeEqual } from 'node:crypto';
import { check, concat, encodeMap, FormatError, type Pair, sortPairs, u32, utf8 } from './bytes.ts';
import { ENVELOPE, HEADER, readEnvelope, readHeader } from './envelope.ts';
import { encode } from './protobuf.ts';
import {
  deriveMessageKeys,
  EMPTY,
  gcmOpen,
  gcmSeal,
  isFor,
  type ReaderKey,
  unwrap,
  type Wrap,
  wrap,
} from './wrapping.ts';

export type Magic = 'bulla' | 'bulle' | 'bullb';
/** A message without its framing, or the two halves of a detached one. */
export interface Halves {
  readonly envelope: Uint8Array;
  readonly body: Uint8Array;
}

export interface EncryptInput {
  readonly plaintext: Uint8Array;
  readonly dataKey: Uint8Array;
  readonly salt: Uint8Array;
  readonly segmentSizeLog2: number;
  readonly created: number;
  readonly keyUse: 'SINGLE' | 'SHARED';
  readonly context: readonly Pair[];
  readonly contentType: string;
  readonly metadata: readonly Pair[];
  /** Serialized header fields with numbers from 1024 up. */
  readonly extraHeaderFields: Uint8Array;
  readonly wraps: readonly Wrap[];
}

export function encryptReference(input: EncryptInput) {
  const { plaintext, dataKey, salt, segmentSizeLog2, extraHeaderFields } = input;
  const contextNames = sortPairs(input.context).map(([name]) => name); // §3.3
  const keyUse = input.keyUse === 'SINGLE' ? 1 : 2;
  const fields = { ...input, suite: 1, keyUse, contextNames, metadata: sortPairs(input.metadata) };
  const header = concat(encode(HEADER, fields), extraHeaderFields);
  const derived = deriveMessageKeys(dataKey, salt, header, encodeMap(input.context));
  const wraps = input.wraps.map((each) => wrap(each, dataKey));
  const keys = wraps.map(({ wrappedKey }) => wrappedKey);
  const envelope = encode(ENVELOPE, { header, keys, commitment: derived.commitment });
  const body = sealSegments(derived.messageKey, segmentSizeLog2, plaintext);
  return { message: frame('bulla', envelope, body), intermediates: { header, ...derived, wraps, envelope } };
}

export function decryptReference(
  input: Uint8Array | Halves,
  readerKeys: readonly ReaderKey[],
  context: readonly Pair[],
) {
  const map = encodeMap(context);
  const { envelope, body } = input instanceof Uint8Array ? unframe('bulla', input) : joinHalves(input);
  const { header: headerBytes, keys, commitment } = readEnvelope(envelope);
  const header = readHeader(headerBytes);
  const given = sortPairs(context).map(([name]) => name);
  check(JSON.stringify(given) === JSON.stringify(header.contextNames), '§3.7', 'ERR_CONTEXT_MISMATCH');
  const pairs = keys.flatMap((wrapped) => readerKeys.map((key) => ({ wrapped, key })));
  const match = pairs.find(({ wrapped, key }) => isFor(wrapped, key));
  check(match !== undefined, '§7.5', 'ERR_NO_MATCHING_KEY');
  const dataKey = unwrap(match.wrapped, match.key);
  const derived = deriveMessageKeys(dataKey, header.salt, headerBytes, map);
  check(timingSafeEqual(derived.commitment, commitment), '§5.5', 'ERR_DECRYPTION_FAILED');
  return { header, keys, plaintext: openSegments(derived.messageKey, header.segmentSizeLog2, body) };
}

/** §6.2 */
export const segmentNonce = (index: number): Uint8Array => concat(new Uint8Array(8), u32(index));

/** §6.1: pieces of `2^log2` bytes, the last one always shorter. */
export function sealSegments(messageKey: Uint8Array, log2: number, plaintext: Uint8Array): Uint8Array {
  const size = 2 ** log2;
  const segments: Uint8Array[] = [];
  for (let at = 0; at <= plaintext.length; at += size) {
    const piece = plaintext.subarray(at, at + size);
    segments.push(gcmSeal(messageKey, segmentNonce(segments.length), EMPTY, piece));
  }
  return concat(...segments);
}

export function openSegments(messageKey: Uint8Array, log2: number, body: Uint8Array): Uint8Array {
  const sealedSize = 2 ** log2 + 16;
  check(body.length % sealedSize >= 16, '§6.3', 'ERR_DECRYPTION_FAILED');
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += sealedSize) {
    const segment = body.subarray(at, at + sealedSize);
    try {
      pieces.push(gcmOpen(messageKey, segmentNonce(pieces.length), EMPTY, segment));
    } catch {
      throw new FormatError('ERR_DECRYPTION_FAILED', '§6.4');
    }
  }
  return concat(...pieces);
}

export const frame = (magic: Magic, envelope: Uint8Array, body: Uint8Array): Uint8Array =>
  concat(utf8(magic), Uint8Array.of(1), u32(envelope.length), envelope, body);

/** Reads a magic and the version behind it; gives the rest. */
function afterMagic(magic: Magic, input: Uint8Array): Uint8Array {
  const clause = magic === 'bulla' ? '§1.1' : '§1.5';
  check(Buffer.compare(input.subarray(0, 5), utf8(magic)) === 0, clause, 'ERR_NOT_A_MESSAGE');
  check(input.length > 5, magic === 'bullb' ? '§1.5' : '§1.3', 'ERR_TRUNCATED');
  check(input[5] === 1, magic === 'bulla' ? '§1.2' : '§1.5', 'ERR_UNSUPPORTED_VERSION');
  return input.subarray(6);
}

export function unframe(magic: 'bulla' | 'bulle', input: Uint8Array): Halves {
  const rest = afterMagic(magic, input);
  check(rest.length >= 4, '§1.3', 'ERR_TRUNCATED');
  const length = Buffer.from(rest).readUInt32BE();
  check(length <= 1_048_576, '§1.3', 'ERR_LIMIT_EXCEEDED');
  check(rest.length >= 4 + length, '§1.3', 'ERR_TRUNCATED');
  return { envelope: rest.subarray(4, 4 + length), body: rest.subarray(4 + length) };
}

/** §1.5: a message as its halves. */
export function splitHalves(message: Uint8Array): Halves {
  const { envelope, body } = unframe('bulla', message);
  return { envelope: frame('bulle', envelope, EMPTY), body: concat(utf8('bullb'), Uint8Array.of(1), body) };
}

function joinHalves(halves: Halves): Halves {
  const { envelope, body } = unframe('bulle', halves.envelope);
  check(body.length === 0, '§1.5');
  return { envelope, body: afterMagic('bullb', halves.body) };
}

/** §1.6 */
export const encodeText = (magic: 'bulla' | 'bulle', bytes: Uint8Array): string =>
  `${magic}1.${Buffer.from(bytes).toString('base64url')}`;

export function decodeText(magic: 'bulla' | 'bulle', text: string): Uint8Array {
  check(text.startsWith(`${magic}1.`), '§1.6', 'ERR_NOT_A_MESSAGE');
  const encoded = text.slice(magic.length + 2);
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64url'));
  check(Buffer.from(bytes).toString('base64url') === encoded, '§1.6'); // one text form for each message
  check(Buffer.compare(bytes.subarray(0, 5), utf8(magic)) === 0, '§1.6');
  return bytes;
}

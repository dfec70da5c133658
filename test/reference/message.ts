// Messages of docs/format.md: framing and forms (§1), the order of a reader's checks, and segments (§6).

import { timingSafeEqual } from 'node:crypto';
import { type Header, readEnvelope, readHeader, writeEnvelope, writeHeader } from './envelope.ts';
import { check, concat, type ErrorCode, FormatError, type Pair, u32, utf8 } from './wire.ts';
import { deriveMessageKeys, gcmOpen, gcmSeal, isFor, type ReaderKey, unwrap, type Wrap, wrap } from './wrapping.ts';

export type Magic = 'bulla' | 'bulle' | 'bullb';

/** A message, or the two halves of a detached one. */
export type Input = Uint8Array | { readonly envelope: Uint8Array; readonly body: Uint8Array };

export interface EncryptInput extends Omit<Header, 'contextNames'> {
  readonly plaintext: Uint8Array;
  readonly dataKey: Uint8Array;
  readonly context: readonly Pair[];
  readonly wraps: readonly Wrap[];
  /** Serialized header fields with numbers from 1024 up. */
  readonly extraHeaderFields: Uint8Array;
}

export function encryptReference(input: EncryptInput) {
  const { plaintext, dataKey, salt, segmentSizeLog2, context, extraHeaderFields } = input;
  const header = writeHeader({ ...input, contextNames: context.map(([name]) => name) }, extraHeaderFields);
  const derived = deriveMessageKeys(dataKey, salt, header, context);
  const wraps = input.wraps.map((each) => wrap(each, dataKey));
  const envelope = writeEnvelope(
    header,
    wraps.map(({ wrappedKey }) => wrappedKey),
    derived.commitment,
  );
  const body = sealSegments(derived.messageKey, segmentSizeLog2, plaintext);
  return { message: frame('bulla', envelope, body), intermediates: { header, ...derived, wraps, envelope } };
}

export function decryptReference(input: Input, keys: readonly ReaderKey[], context: readonly Pair[]) {
  const { envelope: envelopeBytes, body } = input instanceof Uint8Array ? unframe('bulla', input) : joinHalves(input);
  const envelope = readEnvelope(envelopeBytes);
  const header = readHeader(envelope.header);
  const given = new Set(context.map(([name]) => name));
  const hasSameNames =
    given.size === header.contextNames.length && header.contextNames.every((name) => given.has(name));
  check(hasSameNames, 'ERR_CONTEXT_MISMATCH', '§3.7');
  const pairs = envelope.keys.flatMap((wrapped) =>
    keys.flatMap((key) => (isFor(wrapped, key) ? [{ wrapped, key }] : [])),
  );
  const [match] = pairs;
  check(match !== undefined, 'ERR_NO_MATCHING_KEY', '§7.5');
  const dataKey = unwrap(match.wrapped, match.key);
  const derived = deriveMessageKeys(dataKey, header.salt, envelope.header, context);
  check(timingSafeEqual(derived.commitment, envelope.commitment), 'ERR_DECRYPTION_FAILED', '§5.5');
  return { ...header, keys: envelope.keys, plaintext: openSegments(derived.messageKey, header.segmentSizeLog2, body) };
}

/** §6.2 */
export const segmentNonce = (index: number): Uint8Array => concat(new Uint8Array(8), u32(index));

/** §6.1: pieces of `2^log2` bytes, the last one always shorter. */
export function sealSegments(messageKey: Uint8Array, log2: number, plaintext: Uint8Array): Uint8Array {
  const size = 2 ** log2;
  const segments: Uint8Array[] = [];
  for (let at = 0; at <= plaintext.length; at += size) {
    const piece = plaintext.subarray(at, at + size);
    segments.push(gcmSeal(messageKey, segmentNonce(segments.length), new Uint8Array(), piece));
  }
  return concat(...segments);
}

export function openSegments(messageKey: Uint8Array, log2: number, body: Uint8Array): Uint8Array {
  const sealedSize = 2 ** log2 + 16;
  check(body.length % sealedSize >= 16, 'ERR_DECRYPTION_FAILED', '§6.3');
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < body.length; at += sealedSize) {
    const segment = body.subarray(at, at + sealedSize);
    try {
      pieces.push(gcmOpen(messageKey, segmentNonce(pieces.length), new Uint8Array(), segment));
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
  check(Buffer.compare(input.subarray(0, 5), utf8(magic)) === 0, 'ERR_NOT_A_MESSAGE', clause);
  check(input.length > 5, 'ERR_TRUNCATED', magic === 'bullb' ? '§1.5' : '§1.3');
  check(input[5] === 1, 'ERR_UNSUPPORTED_VERSION', magic === 'bulla' ? '§1.2' : '§1.5');
  return input.subarray(6);
}

export function unframe(magic: 'bulla' | 'bulle', input: Uint8Array): { envelope: Uint8Array; body: Uint8Array } {
  const rest = afterMagic(magic, input);
  check(rest.length >= 4, 'ERR_TRUNCATED', '§1.3');
  const length = Buffer.from(rest).readUInt32BE();
  check(length <= 1_048_576, 'ERR_LIMIT_EXCEEDED', '§1.3');
  check(rest.length >= 4 + length, 'ERR_TRUNCATED', '§1.3');
  return { envelope: rest.subarray(4, 4 + length), body: rest.subarray(4 + length) };
}

/** §1.5: a message as its halves. */
export function splitHalves(message: Uint8Array): { envelope: Uint8Array; body: Uint8Array } {
  const { envelope, body } = unframe('bulla', message);
  return { envelope: frame('bulle', envelope, new Uint8Array()), body: concat(utf8('bullb'), Uint8Array.of(1), body) };
}

function joinHalves(halves: { readonly envelope: Uint8Array; readonly body: Uint8Array }) {
  const { envelope, body } = unframe('bulle', halves.envelope);
  check(body.length === 0, 'ERR_MALFORMED', '§1.5');
  return { envelope, body: afterMagic('bullb', halves.body) };
}

/** §1.6 */
export const encodeText = (magic: 'bulla' | 'bulle', bytes: Uint8Array): string =>
  `${magic}1.${Buffer.from(bytes).toString('base64url')}`;

export function decodeText(magic: 'bulla' | 'bulle', text: string): Uint8Array {
  const malformed: [ErrorCode, string] = ['ERR_MALFORMED', '§1.6'];
  check(text.startsWith(`${magic}1.`), 'ERR_NOT_A_MESSAGE', '§1.6');
  const encoded = text.slice(magic.length + 2);
  const bytes = new Uint8Array(Buffer.from(encoded, 'base64url'));
  check(/^[A-Za-z0-9_-]*$/.test(encoded) && encoded.length % 4 !== 1, ...malformed);
  check(Buffer.from(bytes).toString('base64url') === encoded, ...malformed); // last bits that are not zero
  check(Buffer.compare(bytes.subarray(0, 5), utf8(magic)) === 0, ...malformed);
  return bytes;
}

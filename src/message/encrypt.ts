/** Encrypts what is in memory to one message. */

import { bodyPreambleLength, encodePreamble, magicAndVersion } from '../envelope/framing.ts';
import type { Keyring } from '../keyrings/keyring.ts';
import { assert } from '../lib/assert.ts';
import { asBytes, lengthOf, viewOf } from '../lib/bytes.ts';
import { optional, type ReadersOf, type Taken, takeBoolean, takeOptions } from '../lib/options.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { ownPlaintext, sealAll, type TakenPlaintext, takePlaintext } from '../stream/whole.ts';
import type { Bytes } from '../types.ts';
import { beginEncryption, type EncryptionOptions, encryptionReaders } from './begin-encryption.ts';
import { type DetachedMessage, frameEnvelope } from './forms.ts';

/** Options of {@link encrypt}. */
export interface EncryptOptions extends EncryptionOptions {
  /** `true` gives envelope and body apart. Default: `false`. */
  readonly detached?: boolean | undefined;
  /**
   * `true` takes the memory of the bytes instead of a copy, as `postMessage` does: their buffer is detached, and no other view of it may be needed. They must
   * be all that is in their buffer. They are overwritten after the call. Saves the memory and the time of a copy. Default: `false`.
   */
  readonly transfer?: boolean | undefined;
}

const readers = {
  ...encryptionReaders,
  detached: optional(takeBoolean, false),
  transfer: optional(takeBoolean, false),
} satisfies ReadersOf<EncryptOptions>;

/**
 * Encrypts bytes, or the UTF-8 bytes of a string, to a message (`docs/format.md`).
 *
 * Data and options are taken when it is called: bytes may be changed or erased right afterwards.
 *
 * Rejects with `ERR_LIMIT_EXCEEDED` where context or metadata are too large, with what the keyring rejects with, with the reason of `signal`, and with a
 * `TypeError` that names a wrong option. For more than fits in memory there is {@link encryptStream}.
 *
 * @example
 * const keyring = ecdhKeyring({ recipients: [await importEcdhPublicKey('bullapk1.…')] });
 * const message = await encrypt('attack at dawn', { keyring, context: { record: '4711' } });
 */
export async function encrypt(
  data: Uint8Array | string,
  options: EncryptOptions & { readonly detached: true },
): Promise<DetachedMessage>;
export async function encrypt(
  data: Uint8Array | string,
  options: EncryptOptions & { readonly detached?: false | undefined },
): Promise<Bytes>;
export async function encrypt(data: Uint8Array | string, options: EncryptOptions): Promise<Bytes | DetachedMessage> {
  const taken = takeOptions(options, readers);
  const { keyring, segmentSize, detached, transfer } = taken;
  if (transfer) return encryptTaken(ownPlaintext(transferred(data), segmentSize), taken);
  const room = detached ? bodyPreambleLength : (fronts.get(keyring) ?? 0);
  return encryptTaken(takePlaintext(bytesOf(data, 'data'), segmentSize, room), taken);
}

/**
 * How many bytes stood in front of the segments of a keyring's last message: what its next one is likely to have there. If that is wrong, the segments are
 * sealed into other memory than where they were copied.
 */
const fronts = new WeakMap<Keyring, number>();

/** What {@link encryptTaken} goes by. */
export type TakenEncryptOptions = Omit<Taken<typeof readers>, 'transfer'>;

/** The same as {@link encrypt}, for what was taken already. */
export async function encryptTaken(
  plaintext: TakenPlaintext,
  options: TakenEncryptOptions,
): Promise<Bytes | DetachedMessage> {
  const { keyring, detached, signal } = options;
  try {
    const { envelope, messageKey, segmentSize } = await beginEncryption(options, plaintext.length);
    const front = detached ? [magicAndVersion('body')] : [encodePreamble('message', envelope.byteLength), envelope];
    if (!detached) fronts.set(keyring, lengthOf(front));
    const result = await sealAll(messageKey, plaintext, front, segmentSize, signal);
    return detached ? { envelope: frameEnvelope(envelope, 'envelope'), body: result } : result;
  } catch (error) {
    plaintext.memory.fill(0);
    throw error;
  }
}

/** The bytes to encrypt, in the memory that they are in: those of a string, or those given. */
export function bytesOf(data: unknown, name: string): Bytes {
  return typeof data === 'string' ? encodeUtf8(data, name) : asBytes(data, name);
}

const notDetachable = 'in memory that can be transferred';

/** Bytes whose memory nobody else has from now on. */
function transferred(data: unknown): Bytes {
  const { buffer, byteLength } = asBytes(data, 'data');
  // A part of a buffer is often one of a pool, such as that of `Buffer`, which others use.
  assert(byteLength === buffer.byteLength, 'data', 'all of its buffer');
  try {
    const moved = structuredClone(buffer, { transfer: [buffer] });
    // Memory of WebAssembly stays where it is; Node 20 copies it without a word.
    assert(byteLength === 0 || buffer.byteLength === 0, 'data', notDetachable);
    return viewOf(moved);
  } catch {
    throw new TypeError(`data must be ${notDetachable}`);
  }
}

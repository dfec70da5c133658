/** Encrypts what is in memory to one message. */

import { encodePreamble, magicAndVersion } from '../envelope/framing.ts';
import { optional, type ReadersOf, type Taken, takeBoolean, takeBytes, takeOptions } from '../lib/options.ts';
import { encodeUtf8 } from '../lib/utf8.ts';
import { sealAll } from '../stream/segments.ts';
import type { Bytes } from '../types.ts';
import { beginEncryption, type EncryptionOptions, encryptionReaders } from './begin-encryption.ts';
import { type DetachedMessage, frameEnvelope } from './forms.ts';

/** Options of {@link encrypt}. */
export interface EncryptOptions extends EncryptionOptions {
  /** `true` gives envelope and body apart. Default: `false`. */
  readonly detached?: boolean | undefined;
}

const readers = {
  ...encryptionReaders,
  detached: optional(takeBoolean, false),
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
  return encryptTaken(takeData(data, 'data'), takeOptions(options, readers));
}

/** A copy of the bytes to encrypt: those of a string, or those given. */
export function takeData(data: unknown, name: string): Bytes {
  return typeof data === 'string' ? encodeUtf8(data, name) : takeBytes(data, name);
}

/** The same as {@link encrypt}, for what was taken already; the plaintext is nobody else's. */
export async function encryptTaken(plaintext: Bytes, options: Taken<typeof readers>): Promise<Bytes | DetachedMessage> {
  const { detached, signal } = options;
  const { envelope, messageKey, segmentSize } = await beginEncryption(options, plaintext.byteLength);
  const front = detached ? [magicAndVersion('body')] : [encodePreamble('message', envelope.byteLength), envelope];
  const result = await sealAll(messageKey, plaintext, front, segmentSize, signal);
  return detached ? { envelope: frameEnvelope(envelope, 'envelope'), body: result } : result;
}

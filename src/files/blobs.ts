/** Blobs and files to blobs, and back. */

import { assert } from '../lib/assert.ts';
import { isBlob, streamOfBlob } from '../lib/blob.ts';
import { maxNameLength } from '../lib/limits.ts';
import { optional, takeOptions } from '../lib/options.ts';
import { beginEncryption, takeContentType } from '../message/begin-encryption.ts';
import { type DecryptStreamOptions, decryptStream } from '../message/decrypt-stream.ts';
import { type EncryptStreamOptions, encryptStreamReaders, sealingStream } from '../message/encrypt-stream.ts';
import type { DetachedMessage } from '../message/forms.ts';
import type { MessageHeader } from '../types.ts';
import { blobOf } from './collect.ts';

/** Options of {@link encryptBlob}. */
export interface EncryptBlobOptions extends EncryptStreamOptions {}

/** Options of {@link decryptBlob}. */
export interface DecryptBlobOptions extends DecryptStreamOptions {}

/** A message in two halves, the larger one as a blob. */
export interface DetachedBlob extends Pick<DetachedMessage, 'envelope'> {
  /** The segments behind a preamble of six bytes. */
  readonly body: Blob;
}

/** What {@link decryptBlob} gives: all of it authentic. */
export interface DecryptedBlob {
  /** Its type is always `application/octet-stream`: shown as what the writer says it is, a file could be a page of your origin. */
  readonly plaintext: Blob;
  readonly header: MessageHeader;
}

/** What there is to encrypt or decrypt: a blob, a file that somebody chose, or a stream such as the body of a response. */
export type BlobSource = Blob | ReadableStream<Uint8Array<ArrayBuffer>>;

/**
 * Encrypts a blob, a file or a stream to a blob that can be larger than memory. The media type of a blob becomes the message's `contentType`, unless that is given.
 *
 * Rejects with what `encryptStream` errors with, and with what the browser says of a file that cannot be read.
 *
 * @example
 * const message = await encryptBlob(input.files[0], { keyring, workers: createWorkerPool() });
 * const response = await fetch(uploadUrl, { method: 'PUT', body: message });
 * if (!response.ok) throw new Error(`not stored: status ${response.status}`);
 */
export async function encryptBlob(
  source: BlobSource,
  options: EncryptBlobOptions & { readonly detached: true },
): Promise<DetachedBlob>;
export async function encryptBlob(
  source: BlobSource,
  options: EncryptBlobOptions & { readonly detached?: false | undefined },
): Promise<Blob>;
export async function encryptBlob(source: BlobSource, options: EncryptBlobOptions): Promise<Blob | DetachedBlob> {
  const taken = takeOptions(options, { ...encryptStreamReaders, contentType: optional(takeContentType) });
  const plaintext = streamOf(source, 'source');
  const { contentType = contentTypeOf(source), detached } = taken;
  const stream = sealingStream((signal) => beginEncryption({ ...taken, contentType, signal }), taken);
  const message = await blobOf(plaintext.pipeThrough(stream));
  return detached ? { envelope: await stream.envelope, body: message } : message;
}

/**
 * Decrypts a message, or with `envelope` a detached body, from a blob or a stream to a blob. The blob is there when all of it is authentic, and not before.
 *
 * Rejects with what `decryptStream` errors with, and with what the browser says of a file that cannot be read.
 *
 * @example
 * const { plaintext, header } = await decryptBlob(input.files[0], { keyring });
 */
export async function decryptBlob(message: BlobSource, options: DecryptBlobOptions): Promise<DecryptedBlob> {
  const stream = decryptStream(options);
  const sealed = streamOf(message, 'message');
  const plaintext = await blobOf(sealed.pipeThrough(stream));
  return { plaintext, header: await stream.header };
}

function streamOf(source: BlobSource, name: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  if (isBlob(source)) return streamOfBlob(source);
  assert(
    typeof (source as ReadableStream | null)?.pipeThrough === 'function',
    name,
    'a Blob, a File or a ReadableStream',
  );
  return source;
}

/** What is longer is no media type, and no message may have it. */
function contentTypeOf(source: BlobSource): string {
  return isBlob(source) && source.type.length <= maxNameLength ? source.type : '';
}

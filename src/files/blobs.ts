/** Blobs and files to blobs, and back. */

import { assert } from '../lib/assert.ts';
import { maxNameLength } from '../lib/limits.ts';
import { type DecryptStreamOptions, decryptStream } from '../message/decrypt-stream.ts';
import { type EncryptStreamOptions, encryptStream } from '../message/encrypt-stream.ts';
import type { DetachedMessage } from '../message/forms.ts';
import type { Bytes, MessageHeader } from '../types.ts';
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

/**
 * Encrypts a blob, or a file that somebody chose, to a blob that can be larger than memory. The media type of the blob becomes the message's `contentType`, unless that is given.
 *
 * Rejects with what `encryptStream` errors with, and with what the browser says of a file that cannot be read.
 *
 * @example
 * const message = await encryptBlob(input.files[0], { keyring, workers: createWorkerPool() });
 * await fetch(uploadUrl, { method: 'PUT', body: message });
 */
export async function encryptBlob(
  blob: Blob,
  options: EncryptBlobOptions & { readonly detached: true },
): Promise<DetachedBlob>;
export async function encryptBlob(
  blob: Blob,
  options: EncryptBlobOptions & { readonly detached?: false | undefined },
): Promise<Blob>;
export async function encryptBlob(blob: Blob, options: EncryptBlobOptions): Promise<Blob | DetachedBlob> {
  assertBlob(blob, 'blob');
  const contentType = options.contentType ?? contentTypeOf(blob);
  const stream = encryptStream({ ...options, contentType });
  const message = await blobOf(blob.stream().pipeThrough(stream));
  return options.detached === true ? { envelope: await stream.envelope, body: message } : message;
}

/**
 * Decrypts a message, or with `envelope` a detached body, from a blob to a blob. The blob is there when all of it is authentic, and not before.
 *
 * Rejects with what `decryptStream` errors with, and with what the browser says of a file that cannot be read.
 *
 * @example
 * const { plaintext, header } = await decryptBlob(input.files[0], { keyring });
 */
export async function decryptBlob(message: Blob, options: DecryptBlobOptions): Promise<DecryptedBlob> {
  assertBlob(message, 'message');
  const stream = decryptStream(options);
  const plaintext = await blobOf(message.stream().pipeThrough(stream as TransformStream<Bytes, Bytes>));
  return { plaintext, header: await stream.header };
}

function assertBlob(value: unknown, name: string): void {
  assert(typeof (value as Partial<Blob> | null)?.stream === 'function', name, 'a Blob or a File');
}

/** What is longer is no media type, and no message may have it. */
function contentTypeOf({ type }: Blob): string | undefined {
  return type.length <= maxNameLength ? type : undefined;
}

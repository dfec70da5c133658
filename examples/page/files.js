// Files in, blobs out: what the page does with the SDK.

import { decryptStream, encryptStream } from './bulla.min.js';

const suffix = '.bulla';
const flushAt = 16 * 2 ** 20;
const pictureTypes = {
  avif: 'image/avif',
  bmp: 'image/bmp',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
};

/** Whether a file is to be decrypted: it is named like a message, or begins like one. */
export async function isMessage(file) {
  if (file.name.endsWith(suffix)) return true;
  return (await file.slice(0, 6).text()) === 'bulla\u0001';
}

/** The name of the message of a file. */
export function messageName(name) {
  return name + suffix;
}

/** The name of the file of a message. */
export function plainName(name) {
  const plain = name.endsWith(suffix) ? name.slice(0, -suffix.length) : `${name}.decrypted`;
  return plain === '' ? 'decrypted' : plain;
}

/**
 * Encrypts a file, a few segments at a time.
 *
 * @param {File} file
 * @param {import('../../src/index.ts').EncryptStreamOptions} options
 */
export async function encryptFile(file, options) {
  return { blob: await collect(file.stream().pipeThrough(encryptStream({ ...options, ...typeOf(file) }))) };
}

/**
 * Decrypts a message. The blob exists only when the stream has ended well: before that the plaintext may lack its end.
 *
 * @param {File} file
 * @param {import('../../src/index.ts').DecryptStreamOptions} options
 */
export async function decryptFile(file, options) {
  const stream = decryptStream(options);
  const blob = await collect(file.stream().pipeThrough(stream));
  return { blob, header: await stream.header };
}

/** The media type of a picture that browsers can draw, by what its message says or by its name; `undefined` for anything else. */
export function pictureType(name, contentType) {
  const known = Object.values(pictureTypes);
  if (known.includes(contentType)) return contentType;
  return pictureTypes[name.slice(name.lastIndexOf('.') + 1).toLowerCase()];
}

/** Content types of more than 256 bytes are refused by the format, and no use to anybody. */
function typeOf({ type }) {
  return type !== '' && type.length <= 256 ? { contentType: type } : {};
}

/**
 * Reads a stream to its end. Blobs may live on disk, so large results are handed over piece by piece. Their type is always the same: a blob URL of
 * somebody's HTML, opened in a tab, would otherwise be a page of this origin.
 */
async function collect(stream) {
  const type = 'application/octet-stream';
  const blobs = [];
  let parts = [];
  let size = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Blob([...blobs, ...parts], { type });
    parts.push(value);
    size += value.byteLength;
    if (size < flushAt) continue;
    blobs.push(new Blob(parts));
    parts = [];
    size = 0;
  }
}

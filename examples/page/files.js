// Files in, blobs out: what the page does with the SDK.

import { createWorkerPool, decryptBlob, encryptBlob } from './bulla.min.js';

const suffix = '.bulla';
const pictureTypes = {
  avif: 'image/avif',
  bmp: 'image/bmp',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  png: 'image/png',
  webp: 'image/webp',
};

/** Whether a file should be decrypted: it is named like a message, or begins like one. */
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

const workers = createWorkerPool();

/**
 * Encrypts a file, a few segments at a time.
 *
 * @param {File} file
 * @param {import('../../src/files.ts').EncryptBlobOptions} options
 */
export async function encryptFile(file, options) {
  return { blob: await encryptBlob(file, { ...options, workers }) };
}

/**
 * Decrypts a message. The blob exists only when all of it is authentic.
 *
 * @param {File} file
 * @param {import('../../src/files.ts').DecryptBlobOptions} options
 */
export async function decryptFile(file, options) {
  const { plaintext, header } = await decryptBlob(file, { ...options, workers });
  return { blob: plaintext, header };
}

/** The media type of a picture that browsers can draw, by what its message says or by its name; `undefined` for anything else. */
export function pictureType(name, contentType) {
  const known = Object.values(pictureTypes);
  if (known.includes(contentType)) return contentType;
  return pictureTypes[name.slice(name.lastIndexOf('.') + 1).toLowerCase()];
}

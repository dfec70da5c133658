/** Files in pages: blobs in and blobs out, and saving to disk. */

export {
  type BlobSource,
  type DecryptBlobOptions,
  type DecryptedBlob,
  type DetachedBlob,
  decryptBlob,
  type EncryptBlobOptions,
  encryptBlob,
} from './files/blobs.ts';
export { openFileToSave, type SaveOptions } from './files/save.ts';
export { visible as displayName } from './lib/display.ts';
